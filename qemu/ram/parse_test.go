package ram

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

var wanted = file{254, 1, 1234}

func TestFindMappings(t *testing.T) {
	const (
		other   = "55d0-55d1 r--p 00000000 fe:01 77 /usr/bin/qemu\nffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n"
		first   = "7f0000000000-7f0000002000 rw-p 00000000 fe:01 1234 /a b/ram.img (deleted)\n"
		second  = "7f0000005000-7f0000007000 rw-p 00002000 fe:01 1234\n"
		shared  = "7f0000000000-7f0000004000 rw-s 00000000 fe:01 1234 /ram.img\n"
		foreign = "7f0000000000-7f0000004000 rw-p 00000000 fe:02 1234 /ram.img\n"
		library = "7e0000000000-7e0000001000 r--p 00000000 fe:03 1234 /lib\n"
	)
	anonymous := file{0, 40, 1234} // as stat has it on btrfs and overlayfs
	for name, c := range map[string]struct {
		maps string
		want file
		n    int
		err  error
	}{
		"split and out of order": {other + second + first, wanted, 2, nil},
		"shared":                 {other + shared, wanted, 0, ErrShared},
		"another device":         {foreign, wanted, 0, ErrNotMapped},
		"a device of its own":    {foreign + library, anonymous, 1, nil},
		"the first half":         {first, wanted, 0, ErrNotMapped},
		"the second half":        {second, wanted, 0, ErrNotMapped},
		"twice":                  {first + first + second, wanted, 0, ErrNotMapped},
		"nothing":                {other, wanted, 0, ErrNotMapped},
		"no maps":                {"hello\n", wanted, 0, errMaps},
	} {
		got, err := findMappings([]byte(c.maps), c.want, 0x4000)
		if len(got) != c.n || !errors.Is(err, c.err) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	got, err := findMappings([]byte(second+first), wanted, 0x4000)
	if err != nil || got[0].address != 0x7f0000000000 || got[1].offset != 0x2000 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzFindMappings(f *testing.F) {
	for _, s := range []string{
		"7f0000000000-7f0000004000 rw-p 00000000 fe:01 1234 /x\n", "7f0-7f4 rw-s 0 fe:01 1234",
		"7f00-7f04 rw-p ffffffffffffffff fe:01 1234\n", "0-0 ---- 0 0:0 0", "-", "7f04-7f00 rw-p 0 fe:01 1234",
	} {
		f.Add([]byte(s), int64(0x4000))
	}
	f.Fuzz(func(t *testing.T, maps []byte, size int64) {
		got, err := findMappings(maps, wanted, size)
		if err != nil {
			return
		}
		var end int64
		for _, m := range got {
			if m.file != wanted || m.shared || int64(m.offset) != end || m.length == 0 {
				t.Fatalf("%q gives %+v", maps, got)
			}
			end += int64(m.length)
		}
		if end != size {
			t.Errorf("%q covers %d of %d bytes", maps, end, size)
		}
	})
}

const page = 4096

// entries makes a page map: p private, s swapped out, f of the file, n not there.
func entries(kinds string) []byte {
	var b []byte
	for _, k := range kinds {
		e := map[rune]uint64{'p': pagePresent | 0x1234, 's': pageSwapped, 'f': pagePresent | pageOfFile, 'n': 0}[k]
		b = binary.NativeEndian.AppendUint64(b, e)
	}
	return b
}

func TestAppendPrivate(t *testing.T) {
	runs := appendPrivate(nil, entries("nppfsp"), 0, page)
	runs = appendPrivate(runs, entries("pnp"), 6*page, page)
	want := []Run{{page, 2 * page}, {4 * page, 3 * page}, {8 * page, page}}
	if len(runs) != len(want) {
		t.Fatalf("got %v", runs)
	}
	for i := range want {
		if runs[i] != want[i] {
			t.Errorf("run %d is %v", i, runs[i])
		}
	}
	if Bytes(runs) != 6*page {
		t.Errorf("%d bytes", Bytes(runs))
	}
}

// Two mappings and more entries than are read at once.
func TestPrivateRuns(t *testing.T) {
	const n = entriesAtOnce + 10
	pagemap := strings.NewReader(string(entries(strings.Repeat("n", 5) + strings.Repeat("p", n) + "nn" + "ps")))
	mappings := []mapping{
		{address: 5 * page, length: n * page, offset: 0},
		{address: (5 + n + 2) * page, length: 2 * page, offset: n * page},
	}
	runs, err := privateRuns(context.Background(), pagemap, mappings, page)
	if err != nil || len(runs) != 1 || runs[0] != (Run{0, (n + 2) * page}) {
		t.Errorf("got %v, %v", runs, err)
	}
	mappings[1].length += page
	if _, err := privateRuns(context.Background(), pagemap, mappings, page); !errors.Is(err, io.EOF) {
		t.Errorf("a page map that ends early: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := privateRuns(ctx, pagemap, mappings, page); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzAppendPrivate(f *testing.F) {
	f.Add(entries("npsf"), entries("pp"))
	f.Add([]byte("odd"), []byte{})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		b = append(a[:len(a)/entrySize*entrySize:len(a)/entrySize*entrySize], b...)
		first := len(a) / entrySize * entrySize
		runs := appendPrivate(appendPrivate(nil, b[:first], 0, page), b[first:], int64(first/entrySize)*page, page)
		private := map[int64]bool{}
		end := int64(-1)
		for _, r := range runs {
			if r.Offset <= end || r.Length <= 0 { // else it is one run with the one before
				t.Fatalf("runs %v", runs)
			}
			end = r.Offset + r.Length
			for at := r.Offset; at < end; at += page {
				private[at] = true
			}
		}
		for i := range len(b) / entrySize {
			e := binary.NativeEndian.Uint64(b[i*entrySize:])
			if isPrivate(e) != private[int64(i)*page] {
				t.Errorf("page %d: entry %#x, runs %v", i, e, runs)
			}
		}
	})
}
