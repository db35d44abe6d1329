package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/internal/health"
	"github.com/stackemu/stackemu/qemu"
)

// What goes wrong in a guest is mended in the guest: its services are healthy again after a while, in the same VM, with all that
// was stored, and its agent answers.
func TestFaultsInTheGuest(t *testing.T) {
	e := newEmulator(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "from-host"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.code("stop", "--kill") })
	e.run(0, "start", "--mount", dir)
	mine := e.worksWith(e.key())
	const panics = "the kernel panics" // on a host with too much to do, the boot after that may stand still: then there is another VM
	const oldest = " | tr ' ' '\\n' | sort -n | head -n 1"
	for _, fault := range []struct {
		name, script string
		changes      string // a command whose output is another one afterwards
	}{
		{panics, "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger", "cat /proc/sys/kernel/random/boot_id"},
		{"the guest agent is killed", "kill -9 $(pidof qemu-ga)", "pidof qemu-ga"},
		{"PostgreSQL is killed", "kill -9 $(pidof postgres)", "pidof postgres" + oldest},
		{"the container is killed", "crun --cgroup-manager=disabled kill stack KILL", "pidof node" + oldest},
	} {
		t.Run(fault.name, func(t *testing.T) {
			e := e.in(t)
			vm, err := qemu.ReadPID(e.file("qemu.pid"))
			if err != nil {
				t.Fatal(err)
			}
			before := e.run(0, "exec", "--", "/bin/sh", "-c", fault.changes)
			// The agent has to answer before it, or all of the guest, is gone.
			e.run(0, "exec", "--", "/bin/sh", "-c", "(sleep 1; "+fault.script+") >/dev/null 2>&1 &")
			e.eventually("successor", func() error {
				c := clitest.Start(e, limit, e.env, e.bin, "exec", "--", "/bin/sh", "-c", fault.changes)
				if code := c.End(); code != 0 || c.Stdout() == "" || c.Stdout() == before {
					return fmt.Errorf("exit code %d, %q, before %q: %s", code, c.Stdout(), before, c.Stderr())
				}
				return nil
			})
			e.eventually("healthy services", e.well)
			e.eventually("mount", func() error {
				if e.code("exec", "--", "test", "-e", "/host"+dir+"/from-host") != 0 {
					return errNotYet
				}
				return nil
			})
			if kept := e.worksWith(e.key()); kept != mine {
				t.Errorf("%+v, want %+v", kept, mine)
			}
			if now, err := qemu.ReadPID(e.file("qemu.pid")); err != nil || now != vm && fault.name != panics {
				t.Errorf("the VM is another one: %v, %v", now, err)
			}
		})
	}
	e.run(0, "stop")
	e.nothingLeft()
	e.run(0, "start")
	if kept := e.worksWith(e.key()); kept != mine {
		t.Errorf("after a stop and a start: %+v, want %+v", kept, mine)
	}
	e.run(0, "stop")
}

// eventually waits for something that takes its time, on a slow machine a minute or two.
func (e *emulator) eventually(what string, check func() error) {
	e.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	err := check()
	for end := time.Now().Add(6 * time.Minute); err != nil; err = check() {
		if time.Now().After(end) {
			e.Fatalf("no %s: %v", what, err)
		}
		<-tick.C
	}
}

// code runs the program beside the one that has the VM, and gives its exit code.
func (e *emulator) code(args ...string) int {
	e.Helper()
	return clitest.Start(e, limit, e.env, e.bin, args...).End()
}

var errNotYet = errors.New("not yet")

// well tells whether all services answer, and the supervisor knows it.
func (e *emulator) well() error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	for service, path := range map[string]string{"BACKEND": "/health?db=1", "DASHBOARD": "/handler/sign-in"} {
		if r := health.Probe(e.Context(), client, e.url(service, path), []int{200}); r.Err != nil {
			return r.Err
		}
	}
	if e.code("status") != 0 {
		return errNotYet
	}
	return nil
}
