package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/stackemu/stackemu/qemu"
)

const (
	// bootTries is how often the first boot is tried: under TCG a virtual CPU has been seen to lose its timer, and the
	// machine to stand still from then on (once in fifty boots on a loaded host).
	bootTries = 2
	// offLimit bounds the time from the marker until the machine is off.
	offLimit = time.Minute
	// The first boot's machine is the one that users get by default.
	bootRAMMiB, mostBootCPUs = 4096, 4
	// foreignFactor is how much longer a guest of another architecture may take for everything.
	foreignFactor = 3
	// shownLines is how many of the last lines of the console an error shows.
	shownLines = 30
)

// stallLimit is how long the guest may be silent between two markers. The longest wait, for the database to be made, is
// 20 s under TCG, a quarter of that natively, and a few times that on a loaded host.
var stallLimit = 4 * time.Minute

// patience is a limit, as it is for the architecture of the guest.
func (b *builder) patience(limit time.Duration) time.Duration {
	if b.Arch != runtime.GOARCH {
		limit *= foreignFactor
	}
	return limit
}

// errStalled is a machine that was silent for longer.
var errStalled = errors.New("no progress")

// errNoMarker is a machine that went off without a word about how it went.
var errNoMarker = errors.New("the machine went off without saying that it was done")

// guestError is the reason that the guest itself gave.
type guestError struct{ reason string }

func (e *guestError) Error() string { return "in the guest: " + e.reason }

// provision boots disk once. What the guest writes goes to an overlay, which is committed when all went well.
func (b *builder) provision(ctx context.Context, disk string) error {
	disks, err := writeSeedDisks(b.work, b.Arch, b.removable)
	if err != nil {
		return err
	}
	overlay := filepath.Join(b.work, "overlay.qcow2")
	layout := qemu.Default(qemu.Arch(b.Arch), bootRAMMiB, min(mostBootCPUs, runtime.NumCPU())).Under(b.Accel)
	argv, err := layout.Argv(qemu.Wiring{
		Name: "stack-emulator-build", Disk: overlay, NoFlush: true, Firmware: b.firmware,
		Seed: disks.Seed, Bundle: disks.Bundle, Config: disks.Config,
		Accel: b.Accel, VMGenID: "auto", Sandbox: true,
	})
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		if err := b.run(ctx, b.Qemu.Img, "create", "-q", "-f", "qcow2", "-F", "raw", "-b", disk, overlay); err != nil {
			return err
		}
		err := b.firstBoot(ctx, argv)
		if err == nil {
			return b.run(ctx, b.Qemu.Img, "commit", "-q", overlay)
		}
		// What the guest itself complains about would happen again.
		var complaint *guestError
		if try == bootTries || errors.As(err, &complaint) || ctx.Err() != nil {
			return err
		}
		fmt.Fprintf(b.log, "first boot: %v\n", err)
		b.Progress(Stage{Name: "first boot", Detail: "the machine stood still: once more"})
	}
}

// firstBoot runs the machine until it is off and judges by what it said on its serial console.
func (b *builder) firstBoot(ctx context.Context, argv []string) (err error) {
	serial, err := os.OpenFile(filepath.Join(b.logs, "serial.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
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
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, machine.Kill) // ends the console, and so all that follows
	defer stop()
	limit := b.patience(stallLimit)
	watchdog := time.AfterFunc(limit, func() { cancel(fmt.Errorf("%w for %v", errStalled, limit)) })
	defer watchdog.Stop()

	last := &tail{limit: 16 << 10}
	outcome := errNoMarker
	rerr := readSerial(console, io.MultiWriter(serial, last), func(e serialEvent) {
		watchdog.Reset(limit)
		switch {
		case e.Done:
			outcome = nil
			watchdog.Reset(b.patience(offLimit))
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
