package qemu_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu"
)

func TestAdopt(t *testing.T) {
	start := func() (*exec.Cmd, qemu.Identity) {
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		id, err := qemu.IdentityOf(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		return cmd, id
	}
	cmd, id := start()
	a, err := qemu.Adopt(id)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-a.Done():
		t.Fatal("has ended already")
	default:
	}
	a.Kill()
	<-a.Done()
	if err := cmd.Wait(); err == nil || a.Err() != nil || a.PID() != id.PID {
		t.Errorf("%v, %v", err, a.Err())
	}
	if _, err := qemu.Adopt(id); err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("a process that is gone: %v", err)
	}

	// Somebody else has its pid now.
	other, _ := start()
	id.PID, id.Start = other.Process.Pid, "1"+id.Start
	if a, err := qemu.Adopt(id); err == nil {
		a.Kill()
		t.Error("another process was adopted")
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err) // it was hit
	}
	_ = other.Wait()
}
