package pack_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stackemu/stackemu/internal/snapshot/pack"
)

func TestInspect(t *testing.T) {
	for _, s := range samples() {
		packed := filepath.Join(t.TempDir(), "a.zst")
		check(t, pack.PackFile(within(t), packed, s.file(t), nil))
		want := pack.Info{Size: size(t, packed), Frames: int((s.size + pack.Frame - 1) / pack.Frame), Content: s.size}
		if got, err := pack.Inspect(packed); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", s.what, got, err, want)
		}
	}
}

func TestInspectOthers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.zst")
	check(t, os.WriteFile(path, encode(t, []byte("x"), true), 0o600))
	if got, err := pack.Inspect(path); err != nil || got.Content != -1 {
		t.Errorf("another's file: %+v, %v", got, err)
	}
	for what, text := range map[string]string{"empty": "", "short": "abc", "text": "this is no zstd file, and long enough"} {
		check(t, os.WriteFile(path, []byte(text), 0o600))
		if got, err := pack.Inspect(path); !isDamaged(err) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	if _, err := pack.Inspect(dir); !isDamaged(err) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := pack.Inspect(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) || isDamaged(err) {
		t.Errorf("got %v", err)
	}
}

func isDamaged(err error) bool {
	_, ok := errors.AsType[*pack.DamagedError](err)
	return ok
}

// Read gives the same bytes as Unpack, in pieces of a frame each, and writes nothing.
func TestRead(t *testing.T) {
	for _, s := range samples() {
		src := s.file(t)
		packed := filepath.Join(t.TempDir(), "a.zst")
		check(t, pack.PackFile(within(t), packed, src, nil))
		got := make([]byte, s.size)
		var mu sync.Mutex
		total, err := pack.Read(within(t), packed, func(piece []byte, offset int64) error {
			mu.Lock()
			defer mu.Unlock()
			if offset%pack.Frame != 0 || len(piece) != pack.Frame && offset+int64(len(piece)) != s.size {
				t.Errorf("%s: %d bytes at %d", s.what, len(piece), offset)
			}
			copy(got[offset:], piece)
			return nil
		}, nil)
		if err != nil || total != s.size || !bytes.Equal(got, read(t, src)) {
			t.Errorf("%s: read %d bytes, %v", s.what, total, err)
		}
		alone(t, filepath.Dir(packed), "a.zst")
	}
}

// What the caller refuses, and what the system does, is not the file's fault.
func TestReadFails(t *testing.T) {
	dir := t.TempDir()
	packed := filepath.Join(dir, "a.zst")
	check(t, pack.PackFile(within(t), packed, samples()[7].file(t), nil))
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("had enough")
	_, err := pack.Read(ctx, packed, func([]byte, int64) error { cancel(reason); return nil }, nil)
	if err != nil && (!errors.Is(err, reason) || isDamaged(err)) { // nil: it had been read already
		t.Errorf("got %v", err)
	}
	full := errors.New("no more")
	if _, err := pack.Read(within(t), packed, func([]byte, int64) error { return full }, nil); !errors.Is(err, full) || isDamaged(err) {
		t.Errorf("got %v", err)
	}
	if _, err := pack.Read(within(t), filepath.Join(dir, "none"), nil, nil); !errors.Is(err, fs.ErrNotExist) || isDamaged(err) {
		t.Errorf("got %v", err)
	}
}

// FuzzInspect: what is said about a packed file is true when it can be unpacked.
func FuzzInspect(f *testing.F) {
	whole, _ := smallFrames(f)
	f.Add(whole)
	f.Add(whole[:len(whole)-9])
	f.Add(whole[len(whole)-60:])
	f.Add(encode(f, []byte("x"), true))
	f.Fuzz(func(t *testing.T, packed []byte) {
		info, err := pack.InspectBytes(packed)
		if err != nil {
			if !isDamaged(err) {
				t.Errorf("got %v", err)
			}
			return
		}
		if info.Size != int64(len(packed)) || info.Content < -1 || 8*info.Frames > len(packed) {
			t.Errorf("got %+v", info)
		}
		if content, err := pack.UnpackBytes(packed); err == nil && info.Content >= 0 && info.Content != int64(len(content)) {
			t.Errorf("has %d bytes, and says %d", len(content), info.Content)
		}
	})
}
