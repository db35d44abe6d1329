package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What GitHub and goreleaser read can be read, and builds this program.
func TestReleaseFiles(t *testing.T) {
	root := filepath.Join("..", "..")
	paths, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		var workflow struct {
			On   any            `yaml:"on"`
			Jobs map[string]any `yaml:"jobs"`
		}
		if readYAML(t, path, &workflow); workflow.On == nil || len(workflow.Jobs) == 0 {
			t.Errorf("%s: %+v", path, workflow)
		}
	}
	var release struct {
		ProjectName string `yaml:"project_name"` // of archives and binaries; else it would be the directory's
		Builds      []struct {
			Main    string
			Ldflags []string
		}
	}
	readYAML(t, filepath.Join(root, ".goreleaser.yaml"), &release)
	if release.ProjectName != "stackemu" || len(release.Builds) != 1 {
		t.Fatalf("%+v", release)
	}
	build := release.Builds[0]
	if wd, err := filepath.Abs("."); err != nil || filepath.Base(build.Main) != filepath.Base(wd) {
		t.Errorf("builds %s (%v)", build.Main, err)
	}
	if flags := strings.Join(build.Ldflags, " "); !strings.Contains(flags, "-X main.version={{ .Version }}") {
		t.Errorf("the program does not know its version: %s", flags)
	}
}

func readYAML(t *testing.T, path string, to any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
