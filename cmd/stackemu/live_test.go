package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/qemu"
)

// live is `up` on a terminal, when it is ready.
func (e *emulator) live() *clitest.Terminal {
	e.Helper()
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	c := e.onTerminal("up")
	c.Until("default  ready         up ")
	c.Until("✓ dashboard  http://")
	c.Until("q stop   r restart   o open   l log   ? help")
	return c
}

// over waits for the end of a live screen.
func (e *emulator) over(c *clitest.Terminal, want int) {
	e.Helper()
	if code := c.End(); code != want {
		e.Errorf("exit code %d, want %d: %q", code, want, c.Last())
	}
	if !c.Restored() {
		e.Error("the terminal is not as it was")
	}
	if shown := c.Shown(); strings.LastIndex(shown, "\x1b[?25h") < strings.LastIndex(shown, "\x1b[?25l") {
		e.Error("the cursor is hidden")
	}
	e.nothingLeft()
}

func TestLiveScreen(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	bin := t.TempDir() // a desktop that notes what it is asked for
	for _, name := range []string{"xdg-open", "open"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho \"$1\" >"+bin+"/asked.new && mv "+bin+"/asked.new "+bin+"/asked\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	e.env = append(e.env, "PATH="+bin+":"+os.Getenv("PATH"))
	c := e.live()
	c.Types("\x1b[A?")
	c.Until("r  stop, and start again from there")
	c.Types("?l")
	c.Types("o")
	for late := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		asked, err := os.ReadFile(filepath.Join(bin, "asked"))
		if want := fmt.Sprintf("http://localhost:%d\n", e.port["DASHBOARD"]); err == nil {
			if string(asked) != want {
				t.Errorf("the browser was asked for %q, want %q", asked, want)
			}
			break
		}
		if time.Now().After(late) {
			t.Fatal("the browser was not asked")
		}
	}
	before, err := qemu.ReadPID(e.file("run/vm/qemu.pid"))
	if err != nil {
		t.Fatal(err)
	}
	c.Types("r")
	c.Until("restarting; q or Ctrl-C stops")
	c.Until("default  ready         up ")
	if now, err := qemu.ReadPID(e.file("run/vm/qemu.pid")); err != nil || now.PID == before.PID {
		t.Errorf("the VM before was %d, now it is %d, %v", before.PID, now.PID, err)
	}
	c.Types("q")
	c.Until("stopping; press Ctrl-C again")
	e.over(c, 0)
}

func TestPressed(t *testing.T) {
	for sent, want := range map[string]string{
		"": "", "q": "q", "rl?": "rl?", "\x1b[Aq": "q", "\x1b[1;5Cl\x1bOPo": "lo", "\x1b": "", "\x1bq": "", "\x1b[": "", "é\x7f": "é\x7f",
	} {
		if got := string(pressed(sent)); got != want {
			t.Errorf("%q: got %q, want %q", sent, got, want)
		}
	}
}

func TestLiveScreenCtrlC(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	c := e.live()
	c.Types("\x03")
	e.over(c, 0)
}

// A machine that dies is none of the terminal's business.
func TestLiveScreenLosesItsMachine(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	c := e.live()
	id, err := qemu.ReadPID(e.file("run/vm/qemu.pid"))
	if err != nil {
		t.Fatal(err)
	}
	if err := id.Kill(); err != nil {
		t.Fatal(err)
	}
	c.Until("killed by signal killed")
	c.Until("default  ready         up ")
	c.Types("q")
	e.over(c, 0)
}

// Ctrl-Z gives the shell its terminal, and fg takes it again.
func TestLiveScreenIsSuspended(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	c := e.live()
	c.Types("\x1a")
	c.Until("\x1b[?25h")
	e.untilStopped(c.PID())
	if !c.Restored() {
		t.Error("a stopped process has kept the terminal")
	}
	c.Signal(syscall.SIGCONT)
	c.Until("q stop   r restart")
	c.Types("q")
	e.over(c, 0)
}

// A log on a terminal is lines, and nothing that a terminal would obey.
func TestLogsOnTerminal(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	if err := os.MkdirAll(e.file("run/vm"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.file("run/vm/serial.log"), []byte("one\x1b[2Jtwo\n\x1b]0;title\x07three"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := e.onTerminal("logs", "--source", "serial")
	if code := c.End(); code != 0 || c.Shown() != "onetwo\r\nthree\r\n" {
		t.Errorf("exit code %d: %q", code, c.Shown())
	}
}
