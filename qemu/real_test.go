package qemu_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
	"github.com/stackemu/stackemu/qemu/qga"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// The whole layout starts under the sandbox, its sockets answer from the first moment on, one client after the other.
func TestRealMachine(t *testing.T) {
	v := qemutest.Boot(t, qemutest.Real(t), small(), nil)
	for range 3 {
		q := v.Dial(t, nil)
		if s, err := q.Status(within(t, patience)); err != nil || !s.Running {
			t.Errorf("got %+v, %v", s, err)
		}
		if open, err := q.FrontendOpen(within(t, patience), qemu.AgentChardev); err != nil || open {
			t.Errorf("no guest, and its agent's port is open: %v, %v", open, err)
		}
		q.Close()
	}
	// The agent's socket takes what nobody reads. A sync finds out.
	g, err := qga.Dial(within(t, patience), v.Agent)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Sync(within(t, patience/100)); err == nil {
		t.Error("an empty disk has an agent")
	}
	for path, want := range map[string]os.FileMode{v.Monitor: 0o600, v.Agent: 0o600, v.Log: 0o600} {
		if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	q := v.Dial(t, nil)
	if err := q.Quit(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of QEMU", v.Done())
	if v.Err() != nil {
		t.Error(v.Err())
	}
}

// The addresses that the guest sees. A snapshot fits only while they stay.
func TestRealAddresses(t *testing.T) {
	b := qemutest.Real(t)
	l := small()
	layouts := map[string]qemu.Layout{"pci": l}
	if b.Arch == qemu.AMD64 {
		layouts["pci-original"] = qemu.OriginalLayout(b.Arch, 128, 2)
	} else {
		t.Skip("there is a golden file for amd64 only")
	}
	for name, l := range layouts {
		v := qemutest.Boot(t, b, l, nil)
		var buses []struct {
			Devices []struct {
				Slot, Function int
				ID             string `json:"qdev_id"`
				Identity       struct {
					Vendor, Device int
				} `json:"id"`
			}
		}
		if err := v.Dial(t, nil).Execute(within(t, patience), "query-pci", nil, &buses); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, d := range buses[0].Devices {
			fmt.Fprintf(&text, "%02x.%x %04x:%04x %s\n", d.Slot, d.Function, d.Identity.Vendor, d.Identity.Device, d.ID)
		}
		golden(t, filepath.Join("testdata", string(l.Arch)+"."+name+".golden"), text.String())
	}
}

func TestRealKill(t *testing.T) {
	v := qemutest.Boot(t, qemutest.Real(t), small(), nil)
	q := v.Dial(t, nil)
	v.Kill()
	await(t, "the end of QEMU", v.Done())
	await(t, "the end of the monitor", q.Done())
	var exit *qemu.ExitError
	if !errors.As(v.Err(), &exit) || exit.Signal != syscall.SIGKILL || exit.Code != -1 {
		t.Errorf("got %v", v.Err())
	}
	if _, err := qmp.Dial(within(t, patience), v.Monitor, nil); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a dial of a dead QEMU: %v", err)
	}
}

// A stopped QEMU can be killed all the same.
func TestRealKillStopped(t *testing.T) {
	v := qemutest.Boot(t, qemutest.Real(t), small(), nil)
	v.Dial(t, nil)
	v.Signal(syscall.SIGSTOP)
	v.Kill()
	await(t, "the end of QEMU", v.Done())
}

func TestRealRefusal(t *testing.T) {
	b := qemutest.Real(t)
	p := start(t, qemu.Command{Path: b.Path, Args: []string{"-nodefaults", "-display", "none", "-device", "nonsense"},
		Log: filepath.Join(t.TempDir(), "qemu.log")})
	await(t, "the end", p.Done())
	var exit *qemu.ExitError
	if !errors.As(p.Err(), &exit) || exit.Code != 1 || !strings.Contains(p.Err().Error(), "nonsense") {
		t.Errorf("got %v", p.Err())
	}
}
