package qemu_test

import (
	"bufio"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/stackemu/stackemu/qemu"
	"golang.org/x/sys/unix"
)

// lastThread is a variable of a process whose first thread ends, and that ends with its standard input.
const lastThread = "STACKEMU_TEST_LAST_THREAD"

func init() {
	if os.Getenv(lastThread) == "" {
		return
	}
	go func() {
		for !firstThreadIsGone() {
			runtime.Gosched()
		}
		os.Stdout.WriteString("gone\n")
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		os.Exit(0)
	}()
	runtime.LockOSThread() // the first one: it runs the inits
	_, _, _ = unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
}

func firstThreadIsGone() bool {
	_, err := os.Readlink("/proc/self/exe") // of the first thread, which has none any more
	return err != nil
}

// What is killed is not over when its first thread is: its sockets are open until the last one has ended.
func TestLastThread(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program)
	c.Env = append(os.Environ(), lastThread+"=1")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "gone\n" {
		t.Fatalf("%q, %v", line, err)
	}
	id, err := qemu.IdentityOf(c.Process.Pid)
	if err != nil || !id.Alive() {
		t.Errorf("a process with a thread left is gone: %v", err)
	}
	in.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if id.Alive() {
		t.Error("a process without a thread is alive")
	}
}
