package pack_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/stackemu/stackemu/internal/snapshot/pack"
)

func TestThereAndBack(t *testing.T) {
	for _, s := range samples() {
		src := s.file(t)
		dir := t.TempDir()
		packed, back := filepath.Join(dir, "a.zst"), filepath.Join(dir, "b")
		check(t, pack.PackFile(within(t), packed, src, ascending(t, s.what, s.size)))
		check(t, pack.Unpack(within(t), back, packed, ascending(t, s.what, size(t, packed))))
		same(t, s.what, back, src)
		alone(t, dir, "a.zst", "b")
		for _, path := range []string{packed, back} {
			if info, _ := os.Stat(path); info.Mode() != 0o600 {
				t.Errorf("%s: mode %v", s.what, info.Mode())
			}
		}
		if s.data == nil && size(t, packed) > 200+s.size/1000 {
			t.Errorf("%s: takes %d bytes", s.what, size(t, packed))
		}
	}
}

func size(t testing.TB, path string) int64 {
	info, err := os.Stat(path)
	check(t, err)
	return info.Size()
}

// ascending is a Progress that must go up, and end at a total.
func ascending(t *testing.T, what string, want int64) pack.Progress {
	last := int64(0)
	t.Cleanup(func() {
		if last != want {
			t.Errorf("%s: progress ended at %d of %d", what, last, want)
		}
	})
	return func(done, total int64) {
		if done < last || total != want {
			t.Errorf("%s: progress %d of %d after %d, want up to %d", what, done, total, last, want)
		}
		last = done
	}
}

// Any zstd tool reads what was packed.
func TestProgramReadsIt(t *testing.T) {
	for _, s := range samples() {
		src := s.file(t)
		packed := filepath.Join(t.TempDir(), "a.zst")
		check(t, pack.PackFile(within(t), packed, src, nil))
		if !bytes.Equal(program(t, "-dc", packed), read(t, src)) {
			t.Errorf("%s: zstd reads something else", s.what)
		}
	}
}

// The table at the end leads to any frame, as the seekable format has it.
func TestTable(t *testing.T) {
	src := samples()[8].file(t)
	packed := filepath.Join(t.TempDir(), "a.zst")
	check(t, pack.PackFile(within(t), packed, src, nil))
	text, want := read(t, packed), read(t, src)

	le := binary.LittleEndian
	footer := text[len(text)-9:]
	frames := int(le.Uint32(footer))
	if le.Uint32(footer[5:]) != 0x8F92EAB1 || footer[4] != 0 || frames != 1+13 {
		t.Fatalf("the footer is %x", footer)
	}
	entries := text[len(text)-9-8*frames:]
	head := text[len(text)-9-8*frames-8:]
	if le.Uint32(head) != 0x184D2A5E || int(le.Uint32(head[4:])) != 8*frames+9 {
		t.Fatalf("the table begins with %x", head[:8])
	}
	decoder, err := zstd.NewReader(nil)
	check(t, err)
	defer decoder.Close()
	at, contentAt := 0, 0
	for i := range frames {
		length, content := int(le.Uint32(entries[8*i:])), int(le.Uint32(entries[8*i+4:]))
		got, err := decoder.DecodeAll(text[at:at+length], nil)
		if err != nil || !bytes.Equal(got, want[contentAt:contentAt+content]) {
			t.Errorf("frame %d: %d bytes, %v", i, len(got), err)
		}
		at, contentAt = at+length, contentAt+content
	}
	if contentAt != len(want) {
		t.Errorf("the table has %d bytes of %d", contentAt, len(want))
	}
}

func TestCancel(t *testing.T) {
	src := samples()[7].file(t)
	packed := filepath.Join(t.TempDir(), "a.zst")
	check(t, pack.PackFile(within(t), packed, src, nil))
	for what, run := range map[string]func(ctx context.Context, dst string, p pack.Progress) error{
		"pack":   func(ctx context.Context, dst string, p pack.Progress) error { return pack.PackFile(ctx, dst, src, p) },
		"unpack": func(ctx context.Context, dst string, p pack.Progress) error { return pack.Unpack(ctx, dst, packed, p) },
	} {
		ctx, cancel := context.WithCancelCause(context.Background())
		reason := errors.New("had enough")
		dir := t.TempDir()
		if err := run(ctx, filepath.Join(dir, "x"), func(done, total int64) { cancel(reason) }); !errors.Is(err, reason) {
			t.Errorf("%s: got %v, want %v", what, err, reason)
		}
		alone(t, dir)
	}
}

func TestPackFails(t *testing.T) {
	dir := t.TempDir()
	if err := pack.Pack(within(t), filepath.Join(dir, "x"), filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := pack.Pack(within(t), filepath.Join(dir, "x"), dir, nil); err == nil {
		t.Error("packed a folder")
	}
	alone(t, dir)
	src := samples()[7].file(t)
	if err := pack.Pack(within(t), filepath.Join(dir, "none", "x"), src, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := pack.PackFile(within(t), dir, src, nil); err == nil { // a folder cannot be replaced by a file
		t.Error("packed to a folder")
	}
	alone(t, dir)
}

// A file that becomes shorter while it is packed is not published.
func TestPackOfAShrinkingFile(t *testing.T) {
	src := sample{"", 20 * pack.Frame, map[int64][]byte{19 * pack.Frame: []byte("x")}}.file(t)
	dir := t.TempDir()
	err := pack.PackFile(within(t), filepath.Join(dir, "x"), src, func(done, total int64) {
		if done == pack.Frame {
			check(t, os.Truncate(src, pack.Frame/4))
		}
	})
	if err == nil {
		t.Skip("the last frame had been read already")
	}
	alone(t, dir)
}

// All of the above is about small frames. This is what is really written.
func TestRealFrames(t *testing.T) {
	s := sample{"", 9*mib + 5, map[int64][]byte{0: memory(mib / 2), 4*mib - 100: memory(200), 9 * mib: []byte("end")}}
	src, dir := s.file(t), t.TempDir()
	packed, back := filepath.Join(dir, "a.zst"), filepath.Join(dir, "b")
	check(t, pack.Pack(within(t), packed, src, nil))
	if info, err := pack.Inspect(packed); err != nil || info.Frames != 3 {
		t.Errorf("got %+v, %v", info, err)
	}
	check(t, pack.Unpack(within(t), back, packed, nil))
	same(t, "9 MiB", back, src)
	if !bytes.Equal(program(t, "-dc", packed), read(t, src)) {
		t.Error("zstd reads something else")
	}
}
