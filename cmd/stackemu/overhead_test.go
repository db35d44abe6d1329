package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu/qemutest"
)

// How long the program itself takes: `make bench`. These run the real binary, $STACKEMU_E2E_BIN or one that is built here.

// BenchmarkHelp should stay below 20 ms.
func BenchmarkHelp(b *testing.B) {
	measure(b, os.Environ(), realBinary(b), "--help")
}

// BenchmarkStatus is of an instance that runs. It should stay below 50 ms.
func BenchmarkStatus(b *testing.B) {
	bin, env := withInstance(b)
	measure(b, env, bin, "status")
}

// BenchmarkLs should do the same.
func BenchmarkLs(b *testing.B) {
	bin, env := withInstance(b)
	measure(b, env, bin, "ls")
}

// withInstance is the program, and the environment in which it has an instance that runs, with a QEMU that is played.
func withInstance(b *testing.B) (bin string, env []string) {
	b.Helper()
	bin, home := realBinary(b), b.TempDir()
	fake := qemutest.Binary(b, healthy)
	image := filepath.Join(home, "images", "stack-emulator-amd64.qcow2")
	if err := errors.Join(os.MkdirAll(filepath.Dir(image), 0o700), os.WriteFile(image, qemutest.Qcow2(""), 0o600),
		os.WriteFile(image+".json", []byte(`{"profile":"reference"}`), 0o600)); err != nil {
		b.Fatal(err)
	}
	env = append(os.Environ(), "STACK_EMULATOR_HOME="+home, "EMULATOR_ARCH=amd64", "EMULATOR_RAM=512", "EMULATOR_NO_SNAPSHOT=1",
		"QEMU_IMG="+fake.Img, "QEMU_SYSTEM_X86_64="+fake.Path)
	once := func(args ...string) {
		cmd := exec.Command(bin, args...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%s: %v\n%s", args, err, out)
		}
	}
	once("start")
	b.Cleanup(func() { once("stop", "--kill") })
	return bin, env
}

// measure runs a command again and again, and reports how long one run takes, and how much of a processor: on a machine that does
// something else, too, that says more.
func measure(b *testing.B, env []string, bin string, args ...string) {
	b.Helper()
	began, runs, used := time.Now(), 0, time.Duration(0)
	for b.Loop() {
		cmd := exec.Command(bin, args...)
		cmd.Env = env
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		runs++
		used += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	b.ReportMetric(float64(time.Since(began).Microseconds())/1000/float64(runs), "ms/run")
	b.ReportMetric(float64(used.Microseconds())/1000/float64(runs), "cpu-ms/run")
}

func realBinary(b *testing.B) string {
	b.Helper()
	if bin := os.Getenv("STACKEMU_E2E_BIN"); bin != "" {
		return bin
	}
	bin := filepath.Join(b.TempDir(), "stackemu")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, ".")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}
