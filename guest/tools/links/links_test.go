package links

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"testing"
)

func TestNames(t *testing.T) {
	plain := regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)
	for i, name := range All {
		if !plain.MatchString(name) || slices.Contains(All[:i], name) {
			t.Errorf("%q is not the name of one more command", name)
		}
	}
	if slices.Contains(All, "stackguest") {
		t.Error("the binary would be replaced by a link to itself")
	}
}

// What the units of the guest and the programs of the container call is there.
func TestWhatIsCalledIsThere(t *testing.T) {
	called := regexp.MustCompile(`/usr/local/bin/([\w-]+)`)
	var found int
	for _, dir := range []string{"../../rootfs", "../../stack/files/etc"} {
		err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			text, err := fs.ReadFile(os.DirFS(dir), path)
			for _, match := range called.FindAllSubmatch(text, -1) {
				found++
				if name := string(match[1]); name != "stackguest" && !slices.Contains(All, name) {
					t.Errorf("%s/%s calls %s", dir, path, name)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found == 0 {
		t.Error("nothing is called: the files are elsewhere")
	}
}
