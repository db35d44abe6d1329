package container_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stackemu/stackemu/guest/tools/container"
	"github.com/stackemu/stackemu/guest/tools/containertest"
)

func TestRunningOnDocker(t *testing.T) {
	for _, test := range []struct {
		status string
		pid    int
		want   int
	}{{"", 0, 0}, {"created", 0, 0}, {"running", 7, 7}, {"exited", 0, 0}, {"removing", 7, 0}} {
		l := containertest.Layout(t)
		containertest.OnDocker(t, &l).Set(test.status, test.pid)
		if pid, err := l.Running(t.Context()); pid != test.want || err != nil {
			t.Errorf("%q: %d, %v, want %d", test.status, pid, err, test.want)
		}
		files, err := l.Files(t.Context())
		if want := l.Root(test.want); files != want || err != nil {
			t.Errorf("%q: files in %s, %v, want %s", test.status, files, err, want)
		}
	}
}

func TestRunningWithoutADaemon(t *testing.T) {
	l := containertest.Layout(t)
	containertest.OnDocker(t, &l)
	l.Docker += ".absent"
	if pid, err := l.Running(t.Context()); pid != 0 || err != nil {
		t.Errorf("%d, %v", pid, err)
	}
}

func TestFilesUnderCrun(t *testing.T) {
	l := containertest.Layout(t)
	l.Bundle = "/bundle"
	if files, err := l.Files(t.Context()); files != "/bundle/rootfs" || err != nil {
		t.Errorf("%s, %v", files, err)
	}
}

func TestDropUnstarted(t *testing.T) {
	for status, want := range map[string]int{"": 0, "created": 1, "running": 0, "exited": 0} {
		l := containertest.Layout(t)
		d := containertest.OnDocker(t, &l)
		d.Set(status, 7)
		if err := l.DropUnstarted(t.Context()); err != nil || d.Removed() != want {
			t.Errorf("%q: removed %d times, %v", status, d.Removed(), err)
		}
	}
	if err := containertest.Layout(t).DropUnstarted(t.Context()); err != nil {
		t.Errorf("under crun: %v", err)
	}
}

// mkfifo makes a named pipe.
func mkfifo(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

var secrets = map[string]string{"KEY": strings.Repeat("1", 64), "CRON": strings.Repeat("2", 64)}

func TestRotateSecrets(t *testing.T) {
	l := containertest.Layout(t)
	d := containertest.OnDocker(t, &l)
	d.Set("running", 7)
	if err := l.RotateSecrets(t.Context(), secrets); err != nil {
		t.Fatal(err)
	}
	if called := d.Called(); called != "exec --env=CRON --env=KEY stack rotate-secrets\n" {
		t.Errorf("called: %q", called)
	}
	for name, value := range secrets {
		if !strings.Contains(d.Env(), name+"="+value+"\n") {
			t.Errorf("%s is missing in the environment", name)
		}
	}
}

// What does not run has nothing to rotate: it starts with the new secrets.
func TestRotateSecretsWithoutAContainer(t *testing.T) {
	l := containertest.Layout(t)
	d := containertest.OnDocker(t, &l)
	if err := l.RotateSecrets(t.Context(), secrets); err != nil || d.Called() != "" {
		t.Errorf("called: %q, %v", d.Called(), err)
	}
}

func TestRotateSecretsFails(t *testing.T) {
	l := containertest.Layout(t)
	d := containertest.OnDocker(t, &l)
	d.Set("running", 7)
	d.Answer(t, `echo "no database for $KEY"; exit 3`)
	err := l.RotateSecrets(t.Context(), secrets)
	if err == nil || !strings.Contains(err.Error(), "exit status 3: no database for …") || strings.Contains(err.Error(), secrets["KEY"]) {
		t.Errorf("err = %v", err)
	}
}

// A container that has ended meanwhile is no failure: the next one starts with the new secrets.
func TestRotateSecretsInAContainerThatEnds(t *testing.T) {
	l := containertest.Layout(t)
	d := containertest.OnDocker(t, &l)
	d.Set("running", 7)
	meeting := filepath.Join(filepath.Dir(l.RunDir), "meeting")
	d.Answer(t, "echo >"+meeting+".in; cat "+meeting+".out >/dev/null; exit 1")
	for _, pipe := range []string{meeting + ".in", meeting + ".out"} {
		mkfifo(t, pipe)
	}
	done := make(chan error, 1)
	go func() { done <- l.RotateSecrets(t.Context(), secrets) }()
	_, err := os.ReadFile(meeting + ".in") // until the program runs
	d.Set("exited", 0)
	err = errors.Join(err, os.WriteFile(meeting+".out", nil, 0o600), <-done)
	if err != nil {
		t.Error(err)
	}
}

func TestUnknownEngine(t *testing.T) {
	l := containertest.Layout(t)
	containertest.OnDocker(t, &l)
	if err := os.WriteFile(l.Engine, []byte("podman\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, running := l.Running(t.Context())
	_, files := l.Files(t.Context())
	for what, err := range map[string]error{"Running": running, "Files": files, "DropUnstarted": l.DropUnstarted(t.Context()), "Run": container.Run(l, nil)} {
		if err == nil || !strings.Contains(err.Error(), "podman") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
