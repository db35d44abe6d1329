package qemu_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu"
)

func TestPIDFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "qemu.pid")
	p := start(t, qemu.Command{Path: "/bin/sleep", Args: []string{"60"}})
	if err := qemu.WritePID(path, p.PID()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), fmt.Sprintf("%d\n", p.PID())) {
		t.Errorf("got %q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	id, err := qemu.ReadPID(path)
	if err != nil || !id.Alive() {
		t.Fatalf("got %+v, %v", id, err)
	}
	for name, other := range map[string]qemu.Identity{
		"of another start": {PID: id.PID, Start: id.Start + "1", Boot: id.Boot},
		"of another boot":  {PID: id.PID, Start: id.Start, Boot: "x"},
		"of another pid":   {PID: os.Getpid(), Start: id.Start, Boot: id.Boot},
		"a bare pid":       {PID: id.PID},
	} {
		if other.Alive() {
			t.Errorf("%s is alive", name)
		}
		if err := other.Kill(); err != nil || !id.Alive() {
			t.Errorf("%s: its kill hit the process: %v", name, err)
		}
	}
	if err := id.Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, "the end", p.Done())
	if id.Alive() || id.Kill() != nil {
		t.Error("the process is gone, and alive")
	}
}

// A process that nobody has waited for is not alive.
func TestZombie(t *testing.T) {
	var attr os.ProcAttr
	p, err := os.StartProcess("/bin/sleep", []string{"sleep", "60"}, &attr)
	if err != nil {
		t.Fatal(err)
	}
	id, err := qemu.IdentityOf(p.Pid)
	if err != nil || !id.Alive() {
		t.Fatalf("got %+v, %v", id, err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	for deadline := within(t, patience); id.Alive(); {
		if deadline.Err() != nil {
			t.Fatal("a zombie is alive")
		}
	}
	if _, err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func TestReadPIDOfOthers(t *testing.T) {
	dir := t.TempDir()
	if _, err := qemu.ReadPID(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	for text, want := range map[string]int{"123": 123, " 123 \n": 123, "123\nstart\n\n": 123, "": 0, "x\n": 0, "-1\n": 0, "1\n": 0, "0": 0} {
		path := filepath.Join(dir, "pid")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		id, err := qemu.ReadPID(path)
		if id.PID != want || (err == nil) != (want != 0) || id.Alive() {
			t.Errorf("%q: %+v, %v", text, id, err)
		}
	}
}
