package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestVerdict(t *testing.T) {
	amd64, arm64 := prober{layout: Default(AMD64, 128, 1)}, prober{layout: Default(ARM64, 128, 1)}
	for name, c := range map[string]struct {
		p       prober
		err     error
		console string
		want    string // "" is accepted
	}{
		"the end":       {p: amd64, err: &ExitError{Code: 85}},
		"exit code 0":   {p: amd64, want: "the guest was reset"},
		"stage 4":       {p: amd64, err: &ExitError{Code: 9}, want: "wrong result in stage 4"},
		"command line":  {p: amd64, err: &ExitError{Code: 1, Stderr: "no kvm"}, want: "exit code 1: no kvm"},
		"signal":        {p: amd64, err: &ExitError{Code: -1, Signal: 6}, want: "killed by signal aborted"},
		"another error": {p: amd64, err: errors.New("x"), want: "x"},
		"DONE":          {p: arm64, console: "DONE\n"},
		"silence":       {p: arm64, want: `wrong result ""`},
		"X":             {p: arm64, console: "X", want: `wrong result "X"`},
		"arm error":     {p: arm64, err: &ExitError{Code: 1}, console: "DONE", want: "exit code 1"},
	} {
		err := c.p.verdict(c.err, c.console)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: want %q, got %v", name, c.want, err)
		}
	}
}

// The images in the binary are those of the sources.
func TestFirmwareIsUpToDate(t *testing.T) {
	for _, tool := range []string{"x86_64-linux-gnu-as", "aarch64-linux-gnu-as"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs binutils for both architectures: %v", err)
		}
	}
	dir := t.TempDir()
	if out, err := exec.Command("sh", "firmware/build.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, want := range map[string][]byte{"probe-amd64.bin": probeAMD64, "probe-arm64.bin": probeARM64} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s differs from its source: run go generate ./qemu; %v", name, err)
		}
	}
}

func TestFirmwareSize(t *testing.T) {
	for name, image := range map[string][]byte{"amd64": probeAMD64, "arm64": probeARM64} {
		if len(image) != 64<<10 {
			t.Errorf("%s: %d bytes", name, len(image))
		}
	}
}

func TestBriefly(t *testing.T) {
	assertion := "a\nqemu-system-x86_64: kvm.c:3849: kvm_buf_set_msrs: Assertion `ret == cpu->kvm_msr_buf->nmsrs' failed."
	for want, err := range map[string]error{
		"QEMU crashed":            fmt.Errorf("qemu: %w", &ExitError{Code: -1, Signal: 6, Stderr: assertion}),
		"QEMU refused it":         &ExitError{Code: 1, Stderr: "failed to initialize kvm: Device or resource busy"},
		"wrong result in stage 4": errors.New("wrong result in stage 4"),
	} {
		if got := briefly(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}

// realProber asks the installed QEMU, whatever this host's accelerator is.
func realProber(t *testing.T) prober {
	t.Helper()
	b, err := Find(context.Background(), HostArch())
	if err != nil {
		if os.Getenv("STACKEMU_REQUIRE_QEMU") == "1" {
			t.Fatal(err)
		}
		t.Skipf("needs a real QEMU: %v", err)
	}
	native, note := nativeAccel(b.Arch)
	return prober{b, Default(b.Arch, 4096, 4), native, note, nativeLimit}
}

// TCG works everywhere, and the probe costs little under it.
func TestRealProbeTCG(t *testing.T) {
	p := realProber(t)
	const want, tries = 500 * time.Millisecond, 10
	best := time.Hour
	for i := 0; i < tries && best > want; i++ { // the machine may be busy with other tests
		began := time.Now()
		if err := p.run(context.Background(), TCG, tcgLimit); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(began))
	}
	t.Logf("%s", best)
	if best > want {
		t.Errorf("it took %s", best)
	}
}

// A firmware that comes to no end is killed at the limit.
func TestRealProbeLimit(t *testing.T) {
	p := realProber(t)
	p.layout.CPUs = 1
	spin := []byte{0xeb, 0xfe} // amd64: jump to itself
	if runtime.GOARCH != "amd64" {
		t.Skip("the endless loop is for amd64")
	}
	good := probeAMD64
	defer func() { probeAMD64 = good }()
	probeAMD64 = append(make([]byte, 0xfff0), append(spin, make([]byte, 14)...)...)
	began := time.Now()
	err := p.run(context.Background(), TCG, 300*time.Millisecond)
	if err == nil || err.Error() != "no answer in 300ms" || time.Since(began) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}

// A native accelerator is taken if it works. One that can be opened and does not work is refused within its limit, and
// one line says so.
func TestRealProbe(t *testing.T) {
	p := realProber(t)
	dir := t.TempDir()
	began := time.Now()
	choice, err := ProbeAccel(context.Background(), p.binary, p.layout, dir)
	if err != nil {
		t.Fatal(err)
	}
	accel, note := choice.Accel, choice.Note
	took := time.Since(began)
	t.Logf("native %q: chose %s in %s: %s", p.native, accel, took, note)
	switch {
	case accel == TCG && p.native != "" && (note == "" || len(note) > 120 || strings.Contains(note, "\n")):
		t.Errorf("TCG in the place of %s without a line that says why: %q", p.native, note)
	case accel != TCG && note != "":
		t.Errorf("nothing to say, but: %q", note)
	case took > nativeLimit+tcgLimit/2:
		t.Errorf("it took %s", took)
	}
	// Again, with a QEMU that cannot be started: the answer comes from the cache.
	broken := *p.binary
	broken.Path = filepath.Join(dir, "qemu")
	if err := os.Symlink(p.binary.Path, broken.Path); err != nil {
		t.Fatal(err)
	}
	if _, err := ProbeAccel(context.Background(), &broken, p.layout, dir); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	again, err := ProbeAccel(context.Background(), &broken, p.layout, dir)
	if err != nil || again.Accel != accel || time.Since(began) > 50*time.Millisecond {
		t.Errorf("got %v after %s, %v", again, time.Since(began), err)
	}
}
