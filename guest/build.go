package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/stackemu/stackemu/guest/toolbin"
)

// rootLabel is the volume label by which bootinit finds the root file system.
const rootLabel = "stack-root"

// Build makes an image. It takes minutes; the end of ctx stops it and everything that it has started. After a failure
// there is nothing under o.Output that was not there before, and the error names the directory with the logs.
func Build(ctx context.Context, o Options) (Result, error) {
	o, err := o.complete()
	if err != nil {
		return Result{}, err
	}
	begin := time.Now()
	b, err := newBuilder(ctx, o)
	if err != nil {
		return Result{}, err
	}
	result, err := b.build(ctx)
	if err = b.close(err); err != nil {
		return Result{}, err
	}
	result.Took = time.Since(begin)
	return result, nil
}

// builder is one build: where it works and what its stages hand on.
type builder struct {
	Options
	work string // fresh directory beside the output
	logs string // in work; kept after a failure
	log  *os.File
	run  runner

	platform             platform
	firmware             string // UEFI for the first boot, where the platform has it
	stackguest, bootinit []byte
	removable            []string  // packages that the first boot removes
	boot                 bootFiles // what the boot loader loads
}

func newBuilder(ctx context.Context, o Options) (*builder, error) {
	platform, err := platformOf(o.Arch, runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	stackguest, err := toolbin.Stackguest(o.Arch)
	if err != nil {
		return nil, err
	}
	bootinit, err := toolbin.Bootinit(o.Arch)
	if err != nil {
		return nil, err
	}
	firmware := ""
	if platform.uefi {
		firmware, err = o.Qemu.FindFirmware()
	}
	if err := errors.Join(platform.missing(), checkEmulation(ctx, o.Arch), err); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(o.Output), 0o755); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(filepath.Dir(o.Output), ".image-build-*")
	if err != nil {
		return nil, err
	}
	b := &builder{Options: o, work: work, logs: filepath.Join(work, "log"),
		platform: platform, firmware: firmware, stackguest: stackguest, bootinit: bootinit}
	if err := os.Mkdir(b.logs, 0o700); err != nil {
		return nil, errors.Join(err, os.RemoveAll(work))
	}
	if b.log, err = os.Create(filepath.Join(b.logs, "build.log")); err != nil {
		return nil, errors.Join(err, os.RemoveAll(work))
	}
	b.run = newRunner(b.log)
	return b, nil
}

// build runs the stages in order.
func (b *builder) build(ctx context.Context) (Result, error) {
	disk := filepath.Join(b.work, "disk.raw")
	published := filepath.Join(b.work, "image.qcow2")
	var result Result
	stages := []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"packages", func(ctx context.Context) error { return b.makeRoot(ctx) }},
		{"disk", func(ctx context.Context) error { return b.makeDisk(ctx, disk) }},
		{"first boot", func(ctx context.Context) error { return b.provision(ctx, disk) }},
		{"check", func(ctx context.Context) error { return b.checkDisk(ctx, disk) }},
		{"compress", func(ctx context.Context) error { return b.Qemu.ConvertCompressed(ctx, disk, published) }},
		{"publish", func(context.Context) (err error) { result, err = b.publish(published); return err }},
	}
	for _, s := range stages {
		if err := b.stage(ctx, s.name, s.do); err != nil {
			return Result{}, err
		}
	}
	return result, nil
}

// stage runs one stage and tells about it.
func (b *builder) stage(ctx context.Context, name string, do func(context.Context) error) error {
	b.Progress(Stage{Name: name})
	fmt.Fprintf(b.log, "== %s\n", name)
	begin := time.Now()
	err := do(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause // what a stopped child says about its end is noise
	}
	b.Progress(Stage{Name: name, Took: time.Since(begin), Err: err})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// close removes the work directory. The logs of a failure move to <output>.log, and the error says so.
func (b *builder) close(failure error) error {
	err := errors.Join(b.log.Close(), b.removeRoot())
	if failure != nil {
		kept := b.Output + ".log"
		if kerr := errors.Join(os.RemoveAll(kept), os.Rename(b.logs, kept)); kerr == nil {
			failure = fmt.Errorf("%w\nlogs: %s", failure, kept)
		}
	}
	return errors.Join(failure, err, os.RemoveAll(b.work))
}
