package procgroup

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The programs of these tests are this binary again, told by a variable what to be.
const role = "PROCGROUP_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(role) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	os.Exit(play(os.Getenv(role)))
}

func play(what string) int {
	switch what {
	case "exit7":
		return 7
	case "polite": // says that it runs, and ends with 0 when asked to
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		announce("ready")
		<-signals
		return 0
	case "deaf": // cannot be asked
		signal.Ignore(syscall.SIGTERM)
		announce("ready")
		select {}
	case "parent": // has a deaf child that holds a port, and ends when asked to
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), role+"=holder")
		if err := child.Start(); err != nil {
			return 1
		}
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		<-signals
		return 0
	case "holder":
		signal.Ignore(syscall.SIGTERM)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 1
		}
		announce(listener.Addr().String())
		select {}
	case "owner": // has a group with a deaf program, and waits to be killed
		group := New()
		if err := group.Start(Program{Name: "deaf", Args: []string{os.Args[0]}, Env: append(os.Environ(), role+"=holder")}); err != nil {
			return 1
		}
		select {}
	case "gated":
		if _, err := bufio.NewReader(os.NewFile(3, "gate")).ReadByte(); err != nil {
			return 1
		}
		return 0
	}
	return 99
}

// announce writes text to the file that the test waits for, by rename.
func announce(text string) {
	path := os.Getenv("PROCGROUP_TEST_FILE")
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		panic(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		panic(err)
	}
}

// program is a program that plays a part, and a function that waits for what it announces.
func program(t *testing.T, part string) (Program, func() string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), part)
	p := Program{Name: part, Args: []string{os.Args[0]}, Env: append(os.Environ(), role+"="+part, "PROCGROUP_TEST_FILE="+file)}
	return p, func() string {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if text, err := os.ReadFile(file); err == nil {
				return string(text)
			}
		}
		t.Fatalf("%s did not announce anything", part)
		return ""
	}
}

func start(t *testing.T, programs ...Program) *Group {
	t.Helper()
	group := New()
	for _, p := range programs {
		if err := group.Start(p); err != nil {
			t.Fatal(err)
		}
	}
	return group
}

func TestExitCodeAndTheOthersEnd(t *testing.T) {
	polite, ready := program(t, "polite")
	group := start(t, polite)
	ready()
	exiting, _ := program(t, "exit7")
	if err := group.Start(exiting); err != nil {
		t.Fatal(err)
	}
	exit := <-group.Exited()
	group.Reaped()
	if exit != (Exit{"exit7", 7}) {
		t.Errorf("exit = %+v", exit)
	}
	began := time.Now()
	group.Stop(syscall.SIGTERM, 20*time.Second)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a polite program took %v to stop", took)
	}
}

func TestStopKillsTheDeaf(t *testing.T) {
	deaf, ready := program(t, "deaf")
	group := start(t, deaf)
	ready()
	group.Stop(syscall.SIGTERM, 50*time.Millisecond)
}

func TestStopLeavesNoGrandchildWithAPort(t *testing.T) {
	parent, port := program(t, "parent")
	group := start(t, parent)
	address := port()
	group.Stop(syscall.SIGTERM, 20*time.Second)
	waitUntilFree(t, address)
}

// A supervisor may be killed itself: its programs must not go on alone.
func TestKilledOwnerTakesItsProgramsAlong(t *testing.T) {
	owner, port := program(t, "owner")
	cmd := exec.Command(owner.Args[0])
	cmd.Env = owner.Env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := port()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the owner ended with %v", err)
	}
	waitUntilFree(t, address)
}

// waitUntilFree waits for the kernel to have ended the process that listens on address.
func waitUntilFree(t *testing.T, address string) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var listener net.Listener
		if listener, err = net.Listen("tcp", address); err == nil {
			listener.Close()
			return
		}
	}
	t.Errorf("somebody still has the port: %v", err)
}

func TestSignalledProgram(t *testing.T) {
	deaf, ready := program(t, "deaf")
	group := start(t, deaf)
	ready()
	group.Signal(syscall.SIGKILL)
	exit := <-group.Exited()
	group.Reaped()
	if exit.Code != 128+9 {
		t.Errorf("code = %d, want 137", exit.Code)
	}
	group.Stop(syscall.SIGTERM, time.Second)
}

func TestGate(t *testing.T) {
	for _, open := range []bool{true, false} {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		gated, _ := program(t, "gated")
		gated.Gate = reader
		group := start(t, gated)
		reader.Close()
		want := 1
		if open {
			want = 0
			fmt.Fprint(writer, "x")
		}
		writer.Close()
		exit := <-group.Exited()
		group.Reaped()
		if exit.Code != want {
			t.Errorf("open = %v: code %d, want %d", open, exit.Code, want)
		}
		group.Stop(syscall.SIGTERM, time.Second)
	}
}

func TestStartRefuses(t *testing.T) {
	group := New()
	if err := group.Start(Program{Name: "absent", Args: []string{"/no/such/binary"}}); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("err = %v, want one that names the program", err)
	}
	group.Stop(syscall.SIGTERM, time.Second)
}
