package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/stackemu/stackemu/internal/snapshot/pack"
	"github.com/stackemu/stackemu/internal/span"
)

// Publish makes the captured files a snapshot, and holds it. QEMU must be gone. An older snapshot under the key is replaced
// in one step; who holds that one keeps it. When Publish fails, the reservation is still to be abandoned.
//
// It reads and syncs all that was captured, which takes as long as the disk needs for it.
func (r *Reservation) Publish(ctx context.Context, m Manifest) (*Snapshot, error) {
	p := publication{r, &m, ""}
	for _, step := range p.steps() {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("snapshot: publish: %w", err)
		}
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("snapshot: publish: %w", err)
		}
	}
	var sn *Snapshot
	err := r.store.locked(func() error {
		for _, step := range p.lockedSteps() {
			if err := step(); err != nil {
				return err
			}
		}
		sn = &Snapshot{Dir: r.Dir, Manifest: m, key: m.Key, lock: r.lock}
		r.lock = nil
		_ = r.store.removeOutgrown(r.parts)
		_ = r.store.sweep() // the generation that was replaced; what cannot be removed now is tried again
		return nil
	})
	if err != nil {
		return sn, fmt.Errorf("snapshot: publish: %w", err)
	}
	return sn, nil
}

// publication is a snapshot on its way into the store. After a crash between any two of its steps, the store has either
// the old snapshot or the new one, and garbage.
type publication struct {
	*Reservation
	manifest *Manifest
	name     string // of the generation
}

// steps are those in the capture's own directory.
func (p *publication) steps() []func(context.Context) error {
	return []func(context.Context) error{p.tidy, p.pack, p.seal, p.describe}
}

// lockedSteps are those in the directory of the store.
func (p *publication) lockedSteps() []func() error {
	return []func() error{p.rename, p.stage, p.swap, p.share}
}

// tidy removes what the capture has left besides the snapshot's files: logs, sockets, the config disk.
func (p *publication) tidy(context.Context) error {
	names, err := p.parts.Format.names()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(p.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == lockName || slices.Contains(names, e.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(p.Dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// pack adds the packed form to a mapped-ram snapshot, which always has it: what QEMU reads is a cache of that.
func (p *publication) pack(ctx context.Context) error {
	if p.parts.Format != MappedRAM {
		return nil
	}
	files := p.Files()
	err := span.Do(ctx, "disk", "pack the snapshot", func() error { return pack.Pack(ctx, files.Packed, files.Savevm, nil) })
	if err != nil {
		return err
	}
	return os.Chmod(files.Packed, 0o400)
}

// seal checks, syncs and describes the files.
func (p *publication) seal(ctx context.Context) (err error) {
	p.manifest.Files, err = seal(ctx, p.Dir, p.parts)
	return err
}

// describe writes the manifest, as the last of the files.
func (p *publication) describe(context.Context) error {
	m := p.manifest
	m.Key, m.Parts, m.Created = p.parts.Key(), p.parts, time.Now().UTC().Truncate(time.Second)
	if err := m.validate(); err != nil {
		return err
	}
	return m.write(p.Dir)
}

// rename gives the directory its name as a generation. No link names it yet.
func (p *publication) rename() error {
	items, err := p.store.items()
	if err != nil {
		return err
	}
	number := 1
	for _, it := range items {
		if it.kind == generation && it.key == p.manifest.Key {
			number = max(number, it.number+1)
		}
	}
	p.name = generationName(p.manifest.Key, number)
	dir := filepath.Join(p.store.dir, p.name)
	if err := os.Rename(p.Dir, dir); err != nil {
		return err
	}
	p.Dir = dir
	return syncDir(p.store.dir) // before the link: it must not be all that is left
}

// stage makes the new link beside the old one.
func (p *publication) stage() error {
	link := p.link()
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(p.name, link)
}

// swap is the moment in which the snapshot is published.
func (p *publication) swap() error {
	return os.Rename(p.link(), filepath.Join(p.store.dir, p.manifest.Key))
}

func (p *publication) link() string { return filepath.Join(p.store.dir, strayName(p.manifest.Key)) }

// share makes the sole right in the directory a share in it. The system lets go of the one before it gives the other, but
// nobody can come between without the store's lock.
func (p *publication) share() error {
	held, err := p.lock.TryRLock()
	if err == nil && !held {
		err = errHeld
	}
	return errors.Join(err, syncDir(p.store.dir))
}
