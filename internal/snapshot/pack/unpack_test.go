package pack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/stackemu/stackemu/internal/snapshot/pack"
)

// encode is one zstd frame by the library; sized frames tell how long their content is.
func encode(t testing.TB, content []byte, sized bool, options ...zstd.EOption) []byte {
	t.Helper()
	var b bytes.Buffer
	e, err := zstd.NewWriter(&b, append(options, zstd.WithEncoderConcurrency(1))...)
	check(t, err)
	if sized {
		return e.EncodeAll(content, nil)
	}
	_, err = io.Copy(e, io.LimitReader(bytes.NewReader(content), int64(len(content))))
	check(t, errors.Join(err, e.Close()))
	return b.Bytes()
}

// Every zstd file can be unpacked, also those that others have made.
func TestOthersFiles(t *testing.T) {
	ram := slices.Concat(memory(200*kib+99), make([]byte, 100*kib)) // more than is unpacked in one piece
	small := ram[:50*kib]
	skip := []byte("\x50\x2a\x4d\x18\x05\x00\x00\x00hello")
	long := slices.Concat([]byte("\x5d\x2a\x4d\x18\x00\x08\x00\x00"), make([]byte, 2048))
	for what, test := range map[string]struct{ packed, want []byte }{
		"one frame, sized":        {encode(t, ram, true), ram},
		"one frame, unsized":      {encode(t, ram, false), ram},
		"small frame, unsized":    {encode(t, small, false), small},
		"no checksum":             {encode(t, small, true, zstd.WithEncoderCRC(false)), small},
		"many frames":             {slices.Concat(encode(t, ram, true), encode(t, small, true), encode(t, ram, false), encode(t, small, true)), slices.Concat(ram, small, ram, small)},
		"skippable frames":        {slices.Concat(skip, encode(t, small, true), skip, long, encode(t, small, false), skip), slices.Concat(small, small)},
		"skippable frames only":   {slices.Concat(skip, long), nil},
		"a large window":          {encode(t, small, true, zstd.WithWindowSize(64*mib), zstd.WithSingleSegment(false)), small},
		"another's frame 13":      {slices.Concat([]byte("\x5d\x2a\x4d\x18\x10\x00\x00\x00STACKEMU\x00\x00\x00\x00\x00\x00\x00\x00"), encode(t, small, true)), small},
		"many empty blocks":       {emptyBlocks(small), small},
		"best, in a large window": {encode(t, ram, false, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(32*mib)), ram},
	} {
		src, dst := filepath.Join(t.TempDir(), "a.zst"), filepath.Join(t.TempDir(), "b")
		check(t, os.WriteFile(src, test.packed, 0o600))
		check(t, pack.Unpack(within(t), dst, src, ascending(t, what, int64(len(test.packed)))))
		same(t, what+", in small pieces", unpackSmall(t, test.packed), dst)
		if !bytes.Equal(read(t, dst), test.want) {
			t.Errorf("%s: unpacked something else", what)
		}
		if what == "one frame, unsized" && room(t, dst) > 200*kib+8*kib {
			t.Errorf("%s: zeros take room: %d bytes", what, room(t, dst))
		}
	}
}

// unpackSmall unpacks so that little is taken in one piece.
func unpackSmall(t *testing.T, packed []byte) string {
	f, err := os.Create(filepath.Join(t.TempDir(), "small"))
	check(t, err)
	defer f.Close()
	check(t, pack.UnpackFile(within(t), f, bytes.NewReader(packed)))
	return f.Name()
}

// emptyBlocks is a frame that is much longer than its content: empty blocks before a raw one.
func emptyBlocks(content []byte) []byte {
	n := len(content)
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, byte(n), byte(n >> 8), byte(n >> 16), 0}
	b = append(b, bytes.Repeat([]byte{0, 0, 0}, 100_000)...)
	return append(append(b, byte(n<<3|1), byte(n>>5), byte(n>>13)), content...)
}

func TestFilesOfTheProgram(t *testing.T) {
	src := samples()[8].file(t)
	for _, args := range [][]string{{"-1"}, {"-3", "--no-check"}, {"-1", "--long=27"}, {"-1", "-T2"}, {"-1", "--no-content-size"}} {
		packed, dst := filepath.Join(t.TempDir(), "a.zst"), filepath.Join(t.TempDir(), "b")
		program(t, append(args, "-q", src, "-o", packed)...)
		check(t, pack.Unpack(within(t), dst, packed, nil))
		same(t, fmt.Sprint(args), dst, src)
	}
}

// smallFrames is a packed file of few bytes and several frames, and what is in it.
func smallFrames(t testing.TB) (packed, content []byte) {
	t.Helper()
	const frame = 1000
	path := sample{"", 3*frame + 5, map[int64][]byte{0: []byte("some text of some length"), 2 * frame: memory(300), 3 * frame: []byte("y")}}.file(t)
	f, err := os.Open(path)
	check(t, err)
	defer f.Close()
	packed, err = pack.PackFrames(within(t), f, frame)
	check(t, err)
	return packed, read(t, path)
}

// A packed file that is cut anywhere is refused: also between two frames, where it is valid for any other tool.
func TestTruncated(t *testing.T) {
	whole, want := smallFrames(t)
	table := len(whole) - 8 - 5*8 - 9 // losing it loses no content
	for cut := range len(whole) {
		got, err := pack.UnpackBytes(whole[:cut])
		if cut == table {
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("without the table: %d bytes, %v", len(got), err)
			}
		} else if err == nil {
			t.Errorf("cut after %d bytes of %d: unpacked %d bytes", cut, len(whole), len(got))
		}
		// That takes no reading but for what looks like another's file, once the head is gone.
		if info, err := pack.InspectBytes(whole[:cut]); err == nil && (cut >= pack.HeadLength || info.Content >= 0) {
			t.Errorf("cut after %d bytes of %d: is well: %+v", cut, len(whole), info)
		}
	}
	if info, err := pack.InspectBytes(whole); err != nil || info != (pack.Info{Size: int64(len(whole)), Frames: 4, Content: int64(len(want))}) {
		t.Errorf("got %+v, %v", info, err)
	}
}

// A packed file with any one bit flipped is refused, or has the same content. Where the time is short, it is one bit of each
// byte.
func TestFlipped(t *testing.T) {
	whole, want := smallFrames(t)
	tried, refused := 0, 0
	for at := range whole {
		for bit := range 8 {
			if testing.Short() && at%8 != bit {
				continue
			}
			flipped := bytes.Clone(whole)
			flipped[at] ^= 1 << bit
			got, err := pack.UnpackBytes(flipped)
			tried++
			if err != nil {
				refused++
			} else if !bytes.Equal(got, want) {
				t.Errorf("bit %d of byte %d flipped: unpacked something else", bit, at)
			}
		}
	}
	if refused < tried/2 {
		t.Errorf("only %d of %d were refused", refused, tried)
	}
}

func TestUnpackFails(t *testing.T) {
	good := encode(t, []byte("content"), true)
	sized := encode(t, []byte("content"), true, zstd.WithSingleSegment(true)) // without it, so few bytes go without their size
	for what, packed := range map[string][]byte{
		"empty":            {},
		"no zstd":          []byte("this is no zstd file at all"),
		"garbage at end":   slices.Concat(good, []byte("garbage that is long enough")),
		"dictionary":       slices.Concat(good[:4], []byte{0x21, 7, 7, 1, 0, 0}),
		"reserved block":   slices.Concat(good[:4], []byte{0x20, 7, 0x3f, 0, 0}),
		"wrong size":       slices.Concat(sized[:5], []byte{sized[5] + 1}, sized[6:]),
		"truncated stream": encode(t, memory(mib/2), false)[:100*kib],
	} {
		dir := t.TempDir()
		src, dst := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		check(t, os.WriteFile(src, packed, 0o600))
		check(t, os.WriteFile(dst, []byte("older"), 0o600))
		err := pack.Unpack(within(t), dst, src, nil)
		if _, damaged := errors.AsType[*pack.DamagedError](err); !damaged {
			t.Errorf("%s: unpacked %q, %v", what, read(t, dst), err)
		}
		nowhere := func([]byte, int64) error { return nil }
		if _, err := pack.Read(within(t), src, nowhere, nil); err == nil {
			t.Errorf("%s: read", what)
		}
		if got := read(t, dst); string(got) != "older" {
			t.Errorf("%s: published %d bytes", what, len(got))
		}
		alone(t, dir, "a", "b")
	}
}

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

func TestReadErrorIsTold(t *testing.T) {
	lost := errors.New("connection lost")
	for _, packed := range [][]byte{nil, encode(t, memory(mib/4), true)[:1000], encode(t, memory(mib/4), false)[:1000], encode(t, []byte("x"), true)[:9]} {
		f, err := os.CreateTemp(t.TempDir(), "")
		check(t, err)
		defer f.Close()
		err = pack.UnpackStream(within(t), f, io.MultiReader(bytes.NewReader(packed), brokenReader{lost}))
		if !errors.Is(err, lost) {
			t.Errorf("after %d bytes: got %v", len(packed), err)
		}
	}
}

// smallDisk makes the test binary a process that may write no file of more than 100 KiB, as on a disk that is nearly full.
const smallDisk = "PACK_TEST_SMALL_DISK"

func unpackOnSmallDisk() {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 100 * kib, Max: 100 * kib}
	err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
	src := os.Getenv(smallDisk)
	if err == nil {
		err = pack.Unpack(context.Background(), src+".unpacked", src, nil)
	}
	if err == nil {
		err = errors.New("there was room")
	}
	if !errors.Is(err, syscall.EFBIG) {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := pack.Pack(context.Background(), src+".packed", src+".noise", nil); !errors.Is(err, syscall.EFBIG) {
		fmt.Println("pack:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "a")
	check(t, pack.PackFile(within(t), src, samples()[7].file(t), nil))
	noise := memory(mib)
	check(t, os.WriteFile(src+".noise", noise, 0o600))
	self, err := os.Executable()
	check(t, err)
	cmd := exec.CommandContext(within(t), self)
	cmd.Env = append(os.Environ(), smallDisk+"="+src)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	alone(t, dir, "a", "a.noise")
}

// FuzzUnpack holds Unpack to the library's own reading of the same bytes.
func FuzzUnpack(f *testing.F) {
	text := []byte("some text, some text, some more text")
	f.Add(encode(f, text, true))
	f.Add(encode(f, text, false))
	f.Add(slices.Concat([]byte("\x50\x2a\x4d\x18\x05\x00\x00\x00hello"), encode(f, text, true), encode(f, make([]byte, 9000), true)))
	src := filepath.Join(f.TempDir(), "a.zst")
	check(f, pack.PackFile(within(f), src, sample{"", 5000, map[int64][]byte{0: text}}.file(f), nil))
	f.Add(read(f, src))
	reference, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(64*mib), zstd.WithDecoderConcurrency(1))
	check(f, err)
	f.Cleanup(reference.Close)
	f.Fuzz(func(t *testing.T, packed []byte) {
		if info, err := pack.InspectBytes(packed); err == nil && info.Content >= 0 && info.Content > int64(info.Frames)<<32 {
			t.Errorf("inspected as %+v", info)
		}
		got, err := pack.UnpackBytes(packed)
		if err != nil || len(got) > 32*mib { // what the reference refuses for its size
			return
		}
		if want, err := reference.DecodeAll(packed, nil); err != nil || !bytes.Equal(got, want) {
			t.Errorf("unpacked %d bytes, and the library %d, %v", len(got), len(want), err)
		}
	})
}
