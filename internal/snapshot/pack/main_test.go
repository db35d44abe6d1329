package pack_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/snapshot/pack"
	"github.com/stackemu/stackemu/internal/snapshot/sparse"
)

func TestMain(m *testing.M) {
	if os.Getenv(smallDisk) != "" {
		unpackOnSmallDisk()
	}
	goleak.VerifyTestMain(m)
}

const kib, mib = 1 << 10, 1 << 20

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// memory is what a guest's RAM looks like to a compressor: text, pointers, noise, and pages of zeros. It is made once: nobody
// may change it.
func memory(size int) []byte { return ram()[:size:size] }

var ram = sync.OnceValue(func() []byte { return makeMemory(mib) })

func makeMemory(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	words := [][]byte{}
	for range 2000 {
		word := make([]byte, 4+random.IntN(20))
		for i := range word {
			word[i] = "etaoinshrdlucmfwyp _/.\x00\x00"[random.IntN(24)]
		}
		words = append(words, word)
	}
	data := make([]byte, 0, size+64*kib)
	for len(data) < size {
		page := make([]byte, 0, 4*kib)
		switch random.IntN(8) {
		case 0: // zeros
		case 1, 2: // noise, such as compressed files
			page = page[:4*kib]
			for i := range page {
				page[i] = byte(random.Uint32())
			}
		case 3, 4: // pointers
			for len(page) < 4*kib {
				page = append(page, byte(random.Uint32()), byte(random.Uint32()), byte(random.IntN(8)), 0x7f, 0x55, 0x55, 0, 0)
			}
		default:
			for len(page) < 4*kib-40 {
				page = append(page, words[random.IntN(len(words))]...)
			}
		}
		data = append(data, page[:cap(page)]...)
	}
	return data[:size]
}

// sample is a file and what is in it.
type sample struct {
	what string
	size int64
	data map[int64][]byte // all else is holes
}

// samples are made of frames, and of what is around their edges.
func samples() []sample {
	const frame = pack.Frame
	ram := memory(2*frame + 12345)
	return []sample{
		{"empty", 0, nil},
		{"one byte", 1, map[int64][]byte{0: {'x'}}},
		{"one hole", 5*frame + 7, nil},
		{"an odd hole", 3, nil},
		{"less than a frame", frame - 1, map[int64][]byte{0: ram[:frame-1]}},
		{"a frame", frame, map[int64][]byte{0: ram[:frame]}},
		{"more than a frame", frame + 1, map[int64][]byte{0: ram[:frame+1]}},
		{"RAM", int64(len(ram)), map[int64][]byte{0: ram}},
		{"islands", 12*frame + frame/2, map[int64][]byte{0: ram[:5000], 2 * frame: ram[:frame/4], 7*frame - 3: ram[:9], 10*frame + 4096: ram[:4096]}},
		{"a hole at the end", 7*frame + 1, map[int64][]byte{frame: ram[:frame]}},
	}
}

// file writes the sample.
func (s sample) file(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ram.img")
	f, err := os.Create(path)
	check(t, err)
	check(t, f.Truncate(s.size))
	for at, data := range s.data {
		_, err := f.WriteAt(data, at)
		check(t, err)
	}
	check(t, errors.Join(f.Sync(), f.Close()))
	return path
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	check(t, err)
	return data
}

// same fails unless two files have the same content, and got takes no more room than want.
func same(t testing.TB, what, got, want string) {
	t.Helper()
	a, b := read(t, got), read(t, want)
	if !bytes.Equal(a, b) {
		t.Errorf("%s: the %d bytes are not the %d that they should be", what, len(a), len(b))
	}
	if a, b := room(t, got), room(t, want); a > b {
		t.Errorf("%s: takes %d bytes on the disk, and the original %d", what, a, b)
	}
}

func room(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	check(t, err)
	return sparse.Allocated(info)
}

// alone fails if there is anything but the named files in their directory.
func alone(t testing.TB, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	for i, e := range entries {
		if i >= len(names) || e.Name() != names[i] {
			t.Errorf("left over: %v, want %q", entries, names)
			return
		}
	}
}

// program runs zstd, or skips the test where it is not installed.
func program(t testing.TB, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("zstd is not installed")
	}
	out, err := exec.CommandContext(within(t), path, args...).Output()
	if err != nil {
		t.Fatalf("zstd %q: %v", args, err)
	}
	return out
}
