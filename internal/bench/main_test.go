package bench

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/qemu"
)

// The test binary plays three parts: the tests, the program, and the program's QEMU.
func TestMain(m *testing.M) {
	switch part := os.Getenv("STACKEMU_BENCH_PART"); part {
	case "":
		goleak.VerifyTestMain(m)
	case "qemu":
		time.Sleep(time.Hour)
	default:
		os.Exit(program(strings.Fields(part)))
	}
}

// program is stackemu, as far as a bench can see it. flaws are what it does wrong.
func program(flaws []string) int {
	flaw := map[string]bool{}
	for _, f := range flaws {
		flaw[f] = true
	}
	if flaw["dies"] {
		fmt.Fprintln(os.Stderr, "warning: something\nstackemu: default: the reason")
		return 1
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt)
	dir := filepath.Join(os.Getenv("STACK_EMULATOR_HOME"), "run", map[bool]string{true: "vm", false: ".capture"}[os.Args[1] == "up"])
	vm, err := startVM(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Args[1] == "capture" && !flaw["slow"] {
		return endVM(dir, vm)
	}
	if flaw["captures"] {
		fmt.Println("default  capturing      0.1s")
	}
	if !flaw["slow"] {
		status := http.StatusOK
		if flaw["ill"] {
			status = http.StatusBadGateway
		}
		for _, name := range []string{"DASHBOARD", "BACKEND"} {
			l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("EMULATOR_"+name+"_PORT"))
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		}
		fmt.Println("default  preparing      0.0s\ndefault  ready          0.1s  resumed\n  backend  http://localhost")
	}
	for {
		<-signals
		if !flaw["stubborn"] {
			return endVM(dir, vm)
		}
	}
}

func startVM(dir string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	vm := exec.Command(self)
	vm.Env = append(os.Environ(), "STACKEMU_BENCH_PART=qemu")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := vm.Start(); err != nil {
		return nil, err
	}
	return vm, qemu.WritePID(filepath.Join(dir, "qemu.pid"), vm.Process.Pid)
}

func endVM(dir string, vm *exec.Cmd) int {
	_ = vm.Process.Kill()
	_ = vm.Wait()
	_ = os.Remove(filepath.Join(dir, "qemu.pid"))
	return 0
}
