package command

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stackemu/stackemu/guest/tools/container"
)

func TestReadyURLs(t *testing.T) {
	dir := t.TempDir()
	l := container.Layout{Image: filepath.Join(dir, "image.json"), RunDir: dir}
	for image, want := range map[string][]string{
		`{"config":{"Cmd":["/toy"],"Env":["STACK_READY_URLS=http://127.0.0.1:8080/up http://127.0.0.1:<prefix>01/"]}}`: {
			"http://127.0.0.1:8080/up", "http://127.0.0.1:8201/"},
		`{"config":{"Cmd":["/toy"]}}`: {"http://127.0.0.1:8202/health?db=1", "http://127.0.0.1:8201/handler/sign-in"},
	} {
		err := errors.Join(os.WriteFile(l.Image, []byte(image), 0o600),
			os.WriteFile(filepath.Join(dir, "local-emulator.env"), []byte("NEXT_PUBLIC_STACK_PORT_PREFIX=82\n"), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readyURLs(l); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", image, got, err, want)
		}
	}
	if _, err := readyURLs(container.Layout{Image: filepath.Join(dir, "absent")}); err == nil {
		t.Error("no error without an image")
	}
}
