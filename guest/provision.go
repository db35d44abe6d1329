package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stackemu/stackemu/qemu"
)

const (
	// bootLimit bounds the first boot: a minute under TCG, a quarter of that natively, ten times that on a loaded machine.
	bootLimit = 10 * time.Minute
	// offLimit bounds the time from the marker until the machine is off.
	offLimit = time.Minute
	// The first boot's machine is the one that users get by default.
	bootRAMMiB, bootCPUs = 4096, 4
	// shownLines is how many of the last lines of the console an error shows.
	shownLines = 30
)

// errNoMarker is a machine that went off without a word about how it went.
var errNoMarker = errors.New("the machine went off without saying that it was done")

// guestError is the reason that the guest itself gave.
type guestError struct{ reason string }

func (e *guestError) Error() string { return "in the guest: " + e.reason }

// provision boots disk once. What the guest writes goes to an overlay, which is committed when all went well.
func (b *builder) provision(ctx context.Context, disk string) error {
	overlay := filepath.Join(b.work, "overlay.qcow2")
	if err := b.run(ctx, b.Qemu.Img, "create", "-q", "-f", "qcow2", "-F", "raw", "-b", disk, overlay); err != nil {
		return err
	}
	disks, err := writeSeedDisks(b.work, b.Arch, b.removable)
	if err != nil {
		return err
	}
	argv, err := qemu.Default(qemu.Arch(b.Arch), bootRAMMiB, bootCPUs).Argv(qemu.Wiring{
		Name: "stack-emulator-build", Disk: overlay, NoFlush: true,
		Seed: disks.Seed, Bundle: disks.Bundle, Config: disks.Config,
		Accel: b.Accel, VMGenID: "auto", Sandbox: true,
	})
	if err != nil {
		return err
	}
	if err := b.firstBoot(ctx, argv); err != nil {
		return err
	}
	return b.run(ctx, b.Qemu.Img, "commit", "-q", overlay)
}

// firstBoot runs the machine until it is off and judges by what it said on its serial console.
func (b *builder) firstBoot(ctx context.Context, argv []string) (err error) {
	serial, err := os.OpenFile(filepath.Join(b.logs, "serial.log"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, serial.Close()) }()
	console, stdout, err := os.Pipe()
	if err != nil {
		return err
	}
	defer console.Close()
	machine, err := qemu.Start(qemu.Command{
		Path: b.Qemu.Path, Args: argv, Stdout: stdout, Log: filepath.Join(b.logs, "qemu.log"),
	})
	if err = errors.Join(err, stdout.Close()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, bootLimit, fmt.Errorf("not done within %v", bootLimit))
	defer cancel()
	stop := context.AfterFunc(ctx, machine.Kill) // ends the console, and so all that follows
	defer stop()

	last := &tail{limit: 16 << 10}
	outcome := errNoMarker
	rerr := readSerial(console, io.MultiWriter(serial, last), func(e serialEvent) {
		switch {
		case e.Done:
			outcome = nil
			time.AfterFunc(offLimit, machine.Kill)
		case e.Failed != "":
			outcome = &guestError{e.Failed}
		default:
			b.Progress(Stage{Name: "first boot", Detail: e.Progress})
		}
	})
	<-machine.Done()
	if err := errors.Join(context.Cause(ctx), outcome, rerr, machine.Err()); err != nil {
		return fmt.Errorf("%w\nlast lines of the serial console:\n%s", err, lastLines(last, shownLines))
	}
	return nil
}

// lastLines returns the last n lines that were written to t and are not empty, without control sequences.
func lastLines(t *tail, n int) string {
	var lines []string
	for line := range strings.Lines(string(t.data)) {
		if line = strings.TrimSpace(plain(line)); line != "" {
			lines = append(lines, "  "+line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
