package qemu

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/span"
)

//go:generate sh firmware/build.sh

//go:embed firmware/probe-amd64.bin
var probeAMD64 []byte

//go:embed firmware/probe-arm64.bin
var probeARM64 []byte

// Time limits of one run of the probe. A native accelerator needs 0.05 s and TCG 0.1 s on an idle machine. TCG is the last
// resort, so that only a hang may fail it, and not a busy machine.
const (
	nativeLimit = 2 * time.Second
	tcgLimit    = 20 * time.Second
)

// probeRAMMiB is enough for the probe, and quick to make.
const probeRAMMiB = 64

// Choice is the answer of [ProbeAccel].
type Choice struct {
	Accel  Accel  `json:"accel"`
	Note   string `json:"-"`                // a line for the user, if there is a reason why it is not the native one
	Detail string `json:"detail,omitempty"` // the reason to its last word, for a log
}

// ProbeAccel chooses the fastest accelerator that really runs guest code on a layout.
//
// That a device such as /dev/kvm can be opened proves nothing: there are hosts on which it opens, makes virtual machines,
// runs their first instructions, and then never another. So a small firmware is run on the layout's machine type, CPU
// model and number of CPUs. It does what a kernel does in its first second, and leaves with a word that only the end of it
// gives. The answer is kept in cacheDir ("" keeps none) until the host boots again, QEMU changes, or another accelerator
// can be opened; it is kept without the note, which so is told once and not at each start.
func ProbeAccel(ctx context.Context, b *Binary, l Layout, cacheDir string) (Choice, error) {
	native, note := nativeAccel(l.Arch)
	p := prober{b, l, native, note, nativeLimit}
	choice, err := p.cachedChoice(ctx, cacheDir)
	if err != nil {
		return Choice{}, fmt.Errorf("qemu: accelerator: %w", err)
	}
	return choice, nil
}

// prober is one question to be answered.
type prober struct {
	binary *Binary
	layout Layout
	native Accel // "" if there is none to try
	note   string
	limit  time.Duration // of the native accelerator
}

// cachedChoice answers from the cache where it can.
func (p prober) cachedChoice(ctx context.Context, dir string) (Choice, error) {
	boot, err := BootID()
	if err != nil {
		return Choice{}, err
	}
	fingerprint, err := p.binary.Fingerprint()
	if err != nil {
		return Choice{}, err
	}
	image, _ := p.command("", p.native)
	key := strings.Join([]string{boot, fingerprint, p.layout.Machine, p.layout.CPU, strconv.Itoa(p.layout.CPUs),
		string(p.native), p.note, fmt.Sprintf("%08x", crc32.ChecksumIEEE(image))}, "|")
	path := ""
	if dir != "" {
		path = filepath.Join(dir, "accel-"+string(p.layout.Arch)+".json")
	}
	return cached(ctx, path, key, func() (Choice, error) { return p.choose(ctx) })
}

// choose tries the native accelerator and then TCG.
func (p prober) choose(ctx context.Context) (Choice, error) {
	choice := Choice{Accel: TCG, Note: p.note, Detail: p.note}
	if p.native != "" {
		err := p.run(ctx, p.native, p.limit)
		if err == nil {
			return Choice{Accel: p.native}, nil
		}
		if ctx.Err() != nil {
			return Choice{}, context.Cause(ctx)
		}
		choice.Note = fmt.Sprintf("%s is there but does not run guests (%s); using %s, which is 10 to 20 times slower",
			nativeName(p.native), briefly(err), TCG)
		choice.Detail = fmt.Sprintf("%s does not run guests: %v", nativeName(p.native), err)
	}
	if err := p.run(ctx, TCG, tcgLimit); err != nil {
		return Choice{}, fmt.Errorf("%s runs no guest with any accelerator: %w", p.binary.Path, err)
	}
	return choice, nil
}

// run executes the firmware under one accelerator, and kills it at the limit.
func (p prober) run(ctx context.Context, accel Accel, limit time.Duration) error {
	return span.Do(ctx, "qemu", "try accelerator "+string(accel), func() error { return p.try(ctx, accel, limit) })
}

func (p prober) try(ctx context.Context, accel Accel, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer in %s", limit))
	defer cancel()
	dir, err := os.MkdirTemp("", "stackemu-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	image, argv := p.command(filepath.Join(dir, "firmware"), accel)
	if err := os.WriteFile(filepath.Join(dir, "firmware"), image, 0o600); err != nil {
		return err
	}
	var console bytes.Buffer
	process, err := Start(Command{Path: p.binary.Path, Args: argv, Stdout: &console})
	if err != nil {
		return err
	}
	select {
	case <-process.Done():
		return p.verdict(process.Err(), console.String())
	case <-ctx.Done():
		process.Kill()
		<-process.Done()
		return context.Cause(ctx)
	}
}

// command returns the firmware image and the arguments that run it.
func (p prober) command(firmware string, accel Accel) ([]byte, []string) {
	var a args
	machine := opt(p.layout.Machine)
	if p.layout.Arch == ARM64 {
		machine.flag("gic-version=max")
	}
	a.opt("-machine", machine)
	a.add("-accel", accel.option())
	a.add("-cpu", p.layout.Under(accel).CPU)
	a.add("-smp", strconv.Itoa(p.layout.CPUs))
	a.add("-m", strconv.Itoa(probeRAMMiB)+"M")
	a.add("-bios", firmware)
	a.add("-display", "none")
	a = append(a, "-nodefaults", "-no-user-config", "-no-reboot")
	if p.layout.Arch == ARM64 {
		a.add("-chardev", "stdio,id=serial0,signal=off")
		a.add("-serial", "chardev:serial0")
		return probeARM64, a
	}
	a.device("isa-debug-exit,iobase=0xf4,iosize=4")
	return probeAMD64, a
}

// amd64Done is the exit code of a firmware that has come to its end: QEMU makes 2*n+1 of what is written to the port.
const amd64Done = 2*0x2a + 1

// verdict tells a firmware that has come to its end from every other end.
func (p prober) verdict(err error, console string) error {
	if p.layout.Arch == ARM64 {
		if err == nil && strings.TrimSpace(console) != "DONE" {
			return fmt.Errorf("wrong result %.20q", console)
		}
		return err
	}
	var exit *ExitError
	switch {
	case err == nil:
		return errors.New("the guest was reset")
	case !errors.As(err, &exit):
		return err
	case exit.Code == amd64Done:
		return nil
	case exit.Code > 1 && exit.Code < amd64Done && exit.Code&1 == 1:
		return fmt.Errorf("wrong result in stage %d", exit.Code/2)
	}
	return exit
}

// briefly says in a few words for everybody why a run has failed.
func briefly(err error) string {
	var exit *ExitError
	switch {
	case errors.As(err, &exit) && exit.Signal != 0:
		return "QEMU crashed"
	case errors.As(err, &exit):
		return "QEMU refused it"
	}
	return err.Error()
}
