package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newTerminal is a terminal: what a person sees and types is on one side, what programs have on the other.
func newTerminal(t *testing.T) (person, programs *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0) // so that a read ends with a deadline
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := person.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Skip(err)
	}
	raw, err := person.SyscallConn() // Fd would make it blocking
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if ctl := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); ctl != nil || err != nil {
		t.Fatal(ctl, err)
	}
	programs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { programs.Close() })
	return person, programs
}

// On a terminal the command can read what is typed, Ctrl-C reaches it once, and a kill of ours as well.
func TestRunOnATerminal(t *testing.T) {
	t.Parallel()
	e, _ := newRun(t, healthy)
	e.run(0, "start")
	for name, interrupt := range map[string]func(person *os.File, pid int) error{
		"Ctrl-C":  func(person *os.File, _ int) error { _, err := person.Write([]byte{3}); return err },
		"SIGTERM": func(_ *os.File, pid int) error { return syscall.Kill(pid, syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			person, programs := newTerminal(t)
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self, "run", "--", "/bin/sh", "-c", `trap 'echo got' INT TERM; echo go; read x; echo "read $x"; until test "$y"; do read y; done; echo end; exit 5`)
			cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = append(e.env, "TERM=dumb"), programs, programs, programs
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			programs.Close()
			got := 0
			lines := bufio.NewScanner(person)
			until := func(word string) {
				t.Helper()
				for lines.Scan() {
					got += strings.Count(lines.Text(), "got")
					if strings.Contains(lines.Text(), word) {
						return
					}
				}
				t.Fatalf("no %q: %v", word, lines.Err())
			}
			typed := func(text string) {
				t.Helper()
				if _, err := person.WriteString(text); err != nil {
					t.Error(err)
				}
			}
			until("go")
			typed("word\n")
			until("read word")
			if err := interrupt(person, cmd.Process.Pid); err != nil {
				t.Fatal(err)
			}
			typed("\n") // a shell that was about to read notes the signal after that
			until("got")
			typed("y\n")
			until("end")
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 5 || got != 1 {
				t.Errorf("exit code %d, %d signals", code, got)
			}
		})
	}
	e.stopped("default")
}
