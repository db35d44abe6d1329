package main

import (
	"syscall"
	"testing"
)

// A start does not take the supervisor's word for it, which is as old as its last look at the services.
func TestStartSeesForItself(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.run(0, "start")
	st := e.status(0, "default")
	follower := e.start("attach", "--json")
	follower.Until(`"state":"ready"`)
	if err := syscall.Kill(st.VM.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c := e.start("start")
	follower.Until(`"service":"(backend|dashboard)","detail"`)
	if err := syscall.Kill(st.VM.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if code := c.End(); code != 0 {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	e.complains(c, "^warning: default: it is running, but does not answer: (backend|dashboard): ")
	e.says(c, "^default  is already running")
	if now := e.status(0, "default"); now.VM == nil || now.VM.PID != st.VM.PID {
		t.Errorf("it was restarted: %+v", now)
	}
	e.stopped("default")
}

// However often a running instance loses its VM, the next start is one.
func TestStartAfterTheLastDeath(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	e.run(0, "start")
	for range 4 {
		if err := syscall.Kill(e.status(0, "default").VM.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		e.run(0, "start")
	}
	e.stopped("default")
}

// A supervisor that hangs is told of with the way out.
func TestStartOfASupervisorThatHangs(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.run(0, "start")
	st := e.status(0, "default")
	if err := syscall.Kill(st.Supervisor.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	e.complains(e.run(exitFailed, "start"), "^stackemu: default: start: its supervisor does not answer; `stackemu stop --kill default` ends it with its VM$")
	if err := syscall.Kill(st.Supervisor.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	e.run(0, "start")
	e.stopped("default")
}
