package sparse_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/snapshot/sparse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const kib, mib = 1 << 10, 1 << 20

// makeFile writes a file of a size that has data at the given offsets only.
func makeFile(t *testing.T, size int64, data map[int64]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(path)
	check(t, err)
	check(t, f.Truncate(size))
	for at, text := range data {
		_, err := f.WriteAt([]byte(text), at)
		check(t, err)
	}
	check(t, f.Close())
	return path
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var files = []struct {
	what string
	size int64
	data map[int64]string
}{
	{"empty", 0, nil},
	{"one byte", 1, map[int64]string{0: "x"}},
	{"one hole", 5 * mib, nil},
	{"data at both ends", 3 * mib, map[int64]string{0: "a", 3*mib - 1: "z"}},
	{"holes at both ends", 3*mib + 7, map[int64]string{mib: "in the middle"}},
	{"islands", 64 * mib, map[int64]string{0: "a", 9 * mib: "b", 33*mib - 1: "cc", 40 * mib: "d"}},
}

func TestData(t *testing.T) {
	for _, test := range files {
		f, err := os.Open(makeFile(t, test.size, test.data))
		check(t, err)
		defer f.Close()
		extents, err := sparse.Data(f)
		check(t, err)
		end := int64(0)
		for _, e := range extents {
			if e.Offset < end || e.Length <= 0 || e.End() > test.size {
				t.Errorf("%s: %v", test.what, extents)
			}
			end = e.End()
		}
		for at, text := range test.data {
			if !covers(extents, at) || !covers(extents, at+int64(len(text))-1) {
				t.Errorf("%s: %q at %d is not in %v", test.what, text, at, extents)
			}
		}
	}
}

func covers(extents []sparse.Extent, at int64) bool {
	return slices.ContainsFunc(extents, func(e sparse.Extent) bool { return e.Offset <= at && at < e.End() })
}

func TestCopy(t *testing.T) {
	for _, test := range files {
		src := makeFile(t, test.size, test.data)
		check(t, os.Chmod(src, 0o400))
		dst := filepath.Join(t.TempDir(), "copy")
		check(t, os.WriteFile(dst, []byte("older"), 0o644))
		check(t, sparse.Copy(context.Background(), dst, src))
		same(t, test.what, dst, src)
		info, err := os.Stat(dst)
		check(t, err)
		if info.Mode() != 0o600 {
			t.Errorf("%s: mode %v", test.what, info.Mode())
		}
		if entries, _ := os.ReadDir(filepath.Dir(dst)); len(entries) != 1 {
			t.Errorf("%s: left over: %v", test.what, entries)
		}
	}
}

// same fails unless two files have the same content, and one takes no more room than the other.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	a, err := os.ReadFile(got)
	check(t, err)
	b, err := os.ReadFile(want)
	check(t, err)
	if !bytes.Equal(a, b) {
		t.Errorf("%s: %d bytes differ from the %d that they should be", what, len(a), len(b))
	}
	if a, b := room(t, got), room(t, want); a > b {
		t.Errorf("%s: takes %d bytes, and the original %d", what, a, b)
	}
}

func room(t *testing.T, path string) int64 {
	f, err := os.Open(path)
	check(t, err)
	defer f.Close()
	check(t, f.Sync()) // blocks are given out late
	info, err := f.Stat()
	check(t, err)
	return sparse.Allocated(info)
}

func TestCopyFails(t *testing.T) {
	src := makeFile(t, mib, map[int64]string{0: "x"})
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("had enough")
	cancel(reason)
	if err := sparse.Copy(ctx, filepath.Join(dir, "copy"), src); err != nil && !errors.Is(err, reason) { // nil: it was cloned
		t.Errorf("got %v", err)
	}
	if err := sparse.Copy(context.Background(), filepath.Join(dir, "copy2"), filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := sparse.Copy(context.Background(), filepath.Join(dir, "copy3"), dir); err == nil {
		t.Error("copied a folder")
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 1 {
		t.Errorf("left over: %v", entries)
	}
}

// Zeros are left out, wherever they and the pieces of the writing begin and end.
func TestWriteAt(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		want := make([]byte, random.IntN(200*kib)+1)
		for range random.IntN(8) {
			at := random.IntN(len(want))
			want[at] = 1
			copy(want[at:], bytes.Repeat([]byte{7}, random.IntN(20*kib)))
		}
		path := filepath.Join(t.TempDir(), "file")
		f, err := os.Create(path)
		check(t, err)
		for at := 0; at < len(want); {
			n := min(len(want)-at, random.IntN(50*kib)+1)
			check(t, sparse.WriteAt(f, want[at:at+n], int64(at)))
			at += n
		}
		check(t, errors.Join(f.Truncate(int64(len(want))), f.Close()))
		got, err := os.ReadFile(path)
		check(t, err)
		if !bytes.Equal(got, want) {
			t.Fatal("wrote something else")
		}
		blocks := 0
		for at := 0; at < len(want); at += 4096 {
			if bytes.Count(want[at:min(at+4096, len(want))], []byte{0}) != min(4096, len(want)-at) {
				blocks++
			}
		}
		if got := room(t, path); got > int64(blocks)*4096 {
			t.Fatalf("takes %d bytes for %d blocks", got, blocks)
		}
	}
}

type failing struct{ err error }

func (f failing) WriteAt([]byte, int64) (int, error) { return 0, f.err }

func TestWriteAtFails(t *testing.T) {
	full := errors.New("disk full")
	if err := sparse.WriteAt(failing{full}, []byte("x"), 0); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if err := sparse.WriteAt(failing{full}, make([]byte, mib), 0); err != nil {
		t.Errorf("wrote zeros: %v", err)
	}
}
