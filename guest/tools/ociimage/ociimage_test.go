package ociimage

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image.json")
	// As registries have it, with members that do not matter here.
	text := `{"architecture":"amd64","os":"linux","created":"2026-01-01T00:00:00Z","rootfs":{"type":"layers","diff_ids":[]},
		"config":{"User":"app","ExposedPorts":{"80/tcp":{}},"Env":["A=1"],"Entrypoint":["/e"],"Cmd":["c"],
		"Volumes":{"/data":{}},"WorkingDir":"/w","StopSignal":"SIGINT"}}`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	image, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := image.Config.Args(); !slices.Equal(got, []string{"/e", "c"}) {
		t.Errorf("Args = %q", got)
	}
	if _, volume := image.Config.Volumes["/data"]; !volume || image.Config.User != "app" || image.Config.WorkingDir != "/w" {
		t.Errorf("image = %+v", image)
	}
}

func TestCheckRefuses(t *testing.T) {
	run := []string{"/run"}
	for name, config := range map[string]Config{
		"no command":        {},
		"relative workdir":  {Cmd: run, WorkingDir: "app"},
		"relative volume":   {Cmd: run, Volumes: map[string]struct{}{"data": {}}},
		"volume with dots":  {Cmd: run, Volumes: map[string]struct{}{"/data/../../etc": {}}},
		"volume that is /":  {Cmd: run, Volumes: map[string]struct{}{"/": {}}},
		"volume with slash": {Cmd: run, Volumes: map[string]struct{}{"/data/": {}}},
	} {
		if err := (Image{Config: config}).Check(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
