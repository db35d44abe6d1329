package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/stackemu/stackemu/internal/snapshot/pack"
	"github.com/stackemu/stackemu/internal/span"
)

// load reads the manifest, checks the files against it, and restores those that are packed.
func (sn *Snapshot) load(ctx context.Context, progress Progress) error {
	missing, err := sn.look(ctx)
	if err != nil || len(missing) == 0 {
		return err
	}
	unlock, err := sn.lockWork(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if missing, err = sn.look(ctx); err != nil || len(missing) == 0 { // who had the lock has done it
		return err
	}
	return sn.restore(ctx, missing, progress)
}

// look reads the manifest and checks the files against it, but for those that are there in packed form only.
func (sn *Snapshot) look(ctx context.Context) (missing []*File, err error) {
	if err := sn.readManifest(); err != nil {
		return nil, err
	}
	for i := range sn.Manifest.Files {
		f := &sn.Manifest.Files[i]
		if f.onlyPacked(sn.Dir) {
			missing = append(missing, f)
			continue
		}
		if err := f.verify(ctx, sn.Dir); err != nil {
			return nil, sn.damaged(f.Name, err)
		}
	}
	return missing, nil
}

func (f *File) onlyPacked(dir string) bool {
	return packedName(f.Name) != "" && !exists(filepath.Join(dir, f.Name)) && exists(f.packedPath(dir))
}

func (sn *Snapshot) readManifest() error {
	m, err := readManifest(sn.Dir)
	if err != nil {
		return sn.damaged(manifestName, err)
	}
	if m.Key != sn.key {
		return sn.damaged(manifestName, fmt.Errorf("belongs to snapshot %s", m.Key))
	}
	sn.Manifest = *m
	return nil
}

// restoredPrefix begins the name of a file until the manifest knows it.
const restoredPrefix = ".restored-"

// restore unpacks files and holds them to the manifest, which then gets to know the inodes that they have now, before they
// get their names: after a crash between any two steps they are restored again, or there.
func (sn *Snapshot) restore(ctx context.Context, files []*File, progress Progress) error {
	stages := newStages(progress)
	for _, f := range files {
		stages.expect(f.Size)
	}
	for _, f := range files {
		if err := f.restore(ctx, sn.Dir, stages.next(f.Size)); err != nil {
			return sn.damaged(f.Name, err)
		}
	}
	for _, step := range sn.publishRestored(files) {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// publishRestored are the steps that make what was restored the snapshot's files.
func (sn *Snapshot) publishRestored(files []*File) []func() error {
	steps := []func() error{func() error { return sn.Manifest.write(sn.Dir) }}
	for _, f := range files {
		steps = append(steps, func() error {
			return os.Rename(filepath.Join(sn.Dir, restoredPrefix+f.Name), filepath.Join(sn.Dir, f.Name))
		})
	}
	return append(steps, func() error { return syncDir(sn.Dir) })
}

// restore unpacks a file under its temporary name, and notes its new identity.
func (f *File) restore(ctx context.Context, dir string, progress Progress) error {
	path := filepath.Join(dir, restoredPrefix+f.Name)
	err := span.Do(ctx, "disk", "unpack "+f.Name, func() error { return pack.Unpack(ctx, path, f.packedPath(dir), progress) })
	if err != nil {
		return f.packedDamage(err)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Chmod(0o400); err != nil {
		return err
	}
	now, err := identityOf(file)
	if err != nil {
		return err
	}
	if err := f.sameContent(ctx, file, now.Size, nil); err != nil {
		if changed, ok := errors.AsType[*changedError](err); ok {
			return &damage{packedName(f.Name), fmt.Errorf("holds another %s than the one that was captured: it %w", f.Name, changed.error)}
		}
		return err
	}
	f.identity = now
	return nil
}

// changedError tells that content is not what was sealed.
type changedError struct{ error }

// sameContent reads every byte, and tells each number of them to progress, which may be nil and is called by several
// goroutines. The error is a *changedError when they are not those that were sealed.
func (f *File) sameContent(ctx context.Context, file *os.File, size int64, progress func(bytes int64)) (err error) {
	if size != f.Size {
		return &changedError{fmt.Errorf("is %d bytes long, and was %d", size, f.Size)}
	}
	var digest string
	var sums chunkSums
	if f.SHA256 != "" {
		digest, err = sha256Of(ctx, counted{file, progress})
	} else {
		sums, err = sumChunks(ctx, file, size, progress)
	}
	if err != nil {
		return err
	}
	if err := f.sameSums(digest, sums); err != nil {
		return &changedError{err}
	}
	return nil
}

// counted is a reader whose bytes are told.
type counted struct {
	io.Reader
	progress func(bytes int64)
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.progress != nil {
		c.progress(int64(n))
	}
	return n, err
}
