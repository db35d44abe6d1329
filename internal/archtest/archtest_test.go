package archtest

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	tr := load(t, moduleRoot(t))
	if len(tr.files) == 0 {
		t.Fatal("no Go files found")
	}
	for name, check := range rules {
		t.Run(name, func(t *testing.T) {
			for _, b := range check(tr) {
				t.Error(b)
			}
		})
	}
	t.Run("names", func(t *testing.T) {
		for _, b := range checkNames(t, tr.root) {
			t.Error(b)
		}
	})
}

// TestRulesCanFail runs each rule on its bad tree. It must find every line that is marked, and no other.
func TestRulesCanFail(t *testing.T) {
	for name, check := range rules {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join("testdata", name)
			compare(t, root, check(load(t, root)))
		})
	}
	t.Run("names", func(t *testing.T) {
		root := filepath.Join("testdata", "names")
		compare(t, root, checkNames(t, root))
	})
}

// mark is a comment in a bad tree, in Go's way or the shell's, that says which breach its line must give.
var mark = regexp.MustCompile(`(//|#) want: (.*)$`)

func compare(t *testing.T, root string, found []breach) {
	t.Helper()
	wanted := map[breach]bool{}
	walk(t, root, func(p string) {
		file, err := os.Open(filepath.Join(root, p))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		for n := 1; lines.Scan(); n++ {
			if m := mark.FindStringSubmatch(lines.Text()); m != nil {
				wanted[breach{p, n, m[2]}] = true
			}
		}
	})
	if len(wanted) == 0 {
		t.Fatal("the bad tree has no marks")
	}
	for _, b := range found {
		hit := false
		for w := range wanted {
			if w.path == b.path && w.line == b.line && strings.Contains(b.text, w.text) {
				delete(wanted, w)
				hit = true
			}
		}
		if !hit {
			t.Errorf("found, but not wanted: %v", b)
		}
	}
	for w := range wanted {
		t.Errorf("wanted, but not found: %v", w)
	}
}
