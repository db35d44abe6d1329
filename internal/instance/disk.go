package instance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu"
)

// This file makes the disk and the RAM of a run. An instance's disk is an overlay on the image, with the disk layer of a
// snapshot between the two when it was resumed from one. It holds both by second names (hard links): publishing a newer image
// and evicting the snapshot take the first names only.

// tidy removes what no run has any use for after its end: a disk that nobody could have written to, a session that was being
// saved, and one that a VM has gone on from.
func (i *Instance) tidy(context.Context) error {
	var errs []error
	for _, path := range i.worthless() {
		errs = append(errs, os.RemoveAll(path))
	}
	return errors.Join(errs...)
}

// worthless is what tidy removes.
func (i *Instance) worthless() []string {
	paths := []string{i.Files.FreshDisk, i.Files.RAM, i.Files.SessionNew, i.Files.SessionLive}
	for _, e := range entries(i.Files.Dir) {
		if strings.HasPrefix(e.Name(), ".") { // a temporary file of who was killed before its rename
			paths = append(paths, filepath.Join(i.Files.Dir, e.Name()))
		}
	}
	return paths
}

// freshDisk makes an overlay on the image, for a cold boot of an instance without data.
func (b *Boot) freshDisk(ctx context.Context) error {
	image := b.home.Image(b.config.Arch).Disk
	if _, err := qemu.CheckImage(image); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	// The layer of a resume that has failed before anybody was served is not below this disk.
	if err := errors.Join(keepName(image, b.files.Base), ignoreMissing(os.Remove(b.files.Layer))); err != nil {
		return err
	}
	return errors.Join(b.overlayOn(ctx, b.files.Base), b.blankRAM())
}

// resume makes an overlay on the disk layer of a snapshot, whose guest knows what told says.
func (b *Boot) resume(ctx context.Context, from snapshot.Files, told map[string]string) error {
	b.resumeFrom(b.format(), from)
	b.told = told
	if b.HasName() {
		b.noteForeign() // which is in the way
		if err := b.Name(); err != nil {
			b.note("%v", err)
		}
	}
	if err := errors.Join(keepName(from.Base, b.files.Base), keepName(from.Disk, b.files.Layer)); err != nil {
		return err
	}
	return b.overlayOn(ctx, b.files.Layer)
}

// overlayOn begins a disk, which is fresh until the host ports open (see [Boot.OpenPorts]). A key that an earlier life of the
// instance has published means nothing any more.
func (b *Boot) overlayOn(ctx context.Context, base string) error {
	b.fresh, b.wiring.Disk = true, b.files.FreshDisk
	if _, err := os.Stat(b.files.Session); err == nil { // it would be in the way of the next one
		if err := b.setAside(errors.New("its disk is gone")); err != nil {
			return err
		}
	}
	if err := ignoreMissing(os.Remove(b.files.PublishedKey)); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	if err := b.binary.CreateOverlay(ctx, base, b.files.FreshDisk); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	return nil
}

// ownDisk goes on with the data of the instance: from its saved session, or by a boot.
func (b *Boot) ownDisk(ctx context.Context) error {
	b.wiring.Disk = b.files.Disk
	if err := b.checkDisk(); err != nil {
		return err
	}
	ok, err := b.resumeSession(ctx)
	if ok || err != nil {
		return err
	}
	return b.blankRAM()
}

// checkDisk sees that the chain of the instance's disk is whole, and tells when the image has moved on without it.
func (b *Boot) checkDisk() error {
	base, err := os.Stat(b.files.Base)
	if err != nil {
		return fmt.Errorf("disk: %s is of no use without the image that it was made from: %w", b.files.Disk, err)
	}
	on := b.files.Base
	if _, err := os.Stat(b.files.Layer); err == nil {
		on = b.files.Layer
	}
	if _, err := qemu.CheckImage(b.files.Disk, filepath.Base(on)); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	if now, err := os.Stat(b.home.Image(b.config.Arch).Disk); err == nil && !os.SameFile(base, now) {
		b.Notes = append(b.Notes, "runs on the image that it was made from; to start afresh on the newer one: stackemu reset "+b.files.Name)
	}
	return nil
}

// capture makes the disk layer and the RAM that become the snapshot. Nobody needs them after a crash of the host.
func (b *Boot) capture(ctx context.Context, into snapshot.Files) error {
	b.Way, b.kept = Capture, &into
	b.noteForeign()
	image := b.home.Image(b.config.Arch).Disk
	if _, err := qemu.CheckImage(image); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	if err := keepName(image, into.Base); err != nil {
		return err
	}
	if err := b.binary.CreateOverlay(ctx, into.Base, into.Disk); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	b.wiring.Disk, b.wiring.NoFlush = into.Disk, true
	if b.parts.Format != snapshot.Lazy {
		return nil // anonymous RAM: of a hole, QEMU would make pages in memory only to see that they are zeros
	}
	return b.holeAsRAM(into.RAM, true)
}

// blankRAM makes the RAM of a cold boot, for the session that it may become: on a hole, whose private pages can be told from
// what the guest has not written, or anonymous.
func (b *Boot) blankRAM() error {
	if b.parts.Format == snapshot.MappedRAM || !b.pages {
		return nil
	}
	return b.holeAsRAM(b.files.RAM, false)
}

// holeAsRAM keeps the guest's RAM on a file of its own that is one hole. Unshared, the file stays one: what the guest writes
// is in memory only.
func (b *Boot) holeAsRAM(path string, share bool) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		err = errors.Join(f.Truncate(int64(b.layout.RAMMiB)<<20), f.Close())
	}
	if err != nil {
		return fmt.Errorf("RAM: %w", err)
	}
	b.layout.RAMFile, b.layout.RAMShare = path, share
	return nil
}

// keepName gives a file a second name, in the place of another file that had it.
func keepName(file, name string) error {
	err := ignoreMissing(os.Remove(name))
	if err == nil {
		err = os.Link(file, name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("disk: %w", err)
	}
	if err != nil {
		return fmt.Errorf("disk: keep hold of %s (it must be on the same file system as %s): %w", file, filepath.Dir(name), err)
	}
	return nil
}

// commit makes a fresh disk the instance's own, before anybody can be told that something was stored on it. It keeps its first
// name until the next start: QEMU opens it by that once more when the machine is saved.
func (b *Boot) commit() error {
	if !b.fresh {
		return nil
	}
	if err := os.Link(b.files.FreshDisk, b.files.Disk); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	b.fresh = false
	return syncDir(b.files.Dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
