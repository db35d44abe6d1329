package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/github/githubtest"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// Every command of docs/images.md works.
func TestCommandsOfTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "images.md"))
	if err != nil {
		t.Fatal(err)
	}
	p := newPublished(t, healthy)
	for n, tag := range []string{"emulator-dev-latest", "emulator-main-latest"} {
		p.server.Release(tag, imageName, append(qemutest.Qcow2(""), byte(n)))
	}
	p.server.Pull(1340, "patch", "somebody/stack-auth")
	p.server.Run(15012345678, githubtest.Repo, "patch", "somebody/stack-auth", "success")
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(imageName)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write(append(qemutest.Qcow2(""), 9))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p.server.Artifact(15012345678, "qemu-emulator-amd64", b.Bytes(), false)
	mine := filepath.Join(t.TempDir(), "my-image.qcow2")
	if err := os.WriteFile(mine, append(qemutest.Qcow2(""), 8), 0o600); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for line := range strings.Lines(string(text)) {
		command, found := strings.CutPrefix(line, "stackemu ")
		if !found {
			continue
		}
		command, _, _ = strings.Cut(command, "   ")
		args := strings.Fields(strings.ReplaceAll(command, "my-image.qcow2", mine))
		if args[0] == "pull" {
			args = append(args, "--skip-snapshot")
		}
		p.run(0, args...)
		ran++
	}
	if ran < 9 {
		t.Errorf("%d commands only", ran)
	}
}
