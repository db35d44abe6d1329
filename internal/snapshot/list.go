package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/stackemu/stackemu/internal/snapshot/sparse"
)

// Entry is one thing in the store, of use or not.
type Entry struct {
	Name     string    // of the directory
	Key      string    // of the snapshot that it is, was, or was to be
	What     string    // "snapshot", "broken snapshot", "unfinished capture", … in the user's words
	InUse    bool      // it is what Find returns
	Held     bool      // somebody has it now
	Manifest *Manifest // nil where there is none that can be read
	Cause    string    // why it is broken
	Strikes  int       // failures to resume since the last success
	Packed   bool      // some of its files are there in packed form only
	Size     int64     // of its files in bytes, packed ones as they are without; the image is not counted
	Bytes    int64     // on the disk that its removal would free; the image's, which others have too, are not counted
}

// List tells everything that is in the store. It checks nothing but the manifests.
func (s *Store) List() ([]Entry, error) {
	var entries []Entry
	err := s.withItems(func(items []item) error {
		for _, it := range items {
			if it.kind == generation || it.kind == broken || it.kind == building {
				entries = append(entries, it.describe())
			}
		}
		return nil
	})
	return entries, err
}

// withItems runs f under the store's lock. A store that was never written to is empty.
func (s *Store) withItems(f func([]item) error) error {
	if _, err := os.Stat(s.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := s.locked(func() error {
		items, err := s.items()
		if err != nil {
			return err
		}
		return f(items)
	})
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

func (it item) describe() Entry {
	e := Entry{Name: filepath.Base(it.path), Key: it.key, What: string(it.kind), InUse: it.linked, Bytes: Allocated(it.path)}
	if it.kind == generation && !it.linked {
		e.What = "replaced snapshot"
		if exists(filepath.Join(it.path, causeName)) {
			e.What = string(broken) // set aside while somebody has it
		}
	}
	lock := dirLock(it.path)
	free, err := lock.TryLock()
	e.Held = err == nil && !free
	_ = lock.Close()
	e.Size = apparent(it.path)
	if m, err := readManifest(it.path); err == nil {
		e.Manifest, e.Size, e.Packed = m, m.size(), m.isPacked(it.path)
	}
	cause, _ := os.ReadFile(filepath.Join(it.path, causeName)) // for people only
	e.Cause, e.Strikes = firstLine(cause), len(readStrikes(it.path))
	return e
}

func firstLine(text []byte) string {
	for i, c := range text {
		if c == '\n' {
			return string(text[:i])
		}
	}
	return string(text)
}

// size is what the snapshot's own files have, in bytes.
func (m *Manifest) size() (bytes int64) {
	for i := range m.Files {
		if m.Files[i].Name != baseName {
			bytes += m.Files[i].Size
		}
	}
	return bytes
}

func (m *Manifest) isPacked(dir string) bool {
	return slices.ContainsFunc(m.packedFiles(), func(f *File) bool { return f.onlyPacked(dir) })
}

// Allocated is what a file, or all files in a directory, take on the disk, in bytes. Files with other names elsewhere are
// not counted: they stay.
func Allocated(path string) int64 { return sum(path, sparse.Allocated) }

// apparent is the same as people see it, with holes.
func apparent(path string) int64 { return sum(path, os.FileInfo.Size) }

func sum(path string, size func(os.FileInfo) int64) (bytes int64) {
	_ = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // what cannot be looked at counts as nothing
		}
		if info, err := e.Info(); err == nil && sparse.Links(info) == 1 {
			bytes += size(info)
		}
		return nil
	})
	return bytes
}
