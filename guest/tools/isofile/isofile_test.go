package isofile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stackemu/stackemu/internal/iso"
)

// disk writes a disk as the host does.
func disk(t testing.TB, label string, files map[string][]byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.iso")
	if err := iso.Write(path, label, files); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestReadFiles(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcde\n"), 1000) // several sectors
	files := map[string][]byte{"runtime.env": []byte("A=1\n"), "base.env": long, "empty.env": {}}
	data := disk(t, "STACKCFG", files)
	label, err := Label(bytes.NewReader(data))
	if err != nil || label != "STACKCFG" {
		t.Errorf("Label = %q, %v", label, err)
	}
	got, err := ReadFiles(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if !bytes.Equal(got[name], want) {
			t.Errorf("%s has %d bytes, want %d", name, len(got[name]), len(want))
		}
	}
}

func TestReadFilesAcrossSectors(t *testing.T) {
	files := map[string][]byte{} // so many that the directory has more than one sector
	for i := range 60 {
		files[fmt.Sprintf("file%02d.env", i)] = fmt.Appendf(nil, "N=%d\n", i)
	}
	got, err := ReadFiles(bytes.NewReader(disk(t, "X", files)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if !bytes.Equal(got[name], want) {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
}

func TestRefusesWhatIsNoDisk(t *testing.T) {
	good := disk(t, "STACKCFG", map[string][]byte{"a.env": []byte("A=1\n")})
	huge := bytes.Clone(good)
	binary.LittleEndian.PutUint32(huge[firstVolume+rootOffset+sizeOffset:], 1<<31)
	outside := bytes.Clone(good)
	binary.LittleEndian.PutUint32(outside[firstVolume+rootOffset+extentOffset:], 1<<31)
	for name, data := range map[string][]byte{
		"empty": nil, "zeros": make([]byte, 1<<20), "cut off": good[:firstVolume+100], "huge root": huge, "root outside": outside,
	} {
		if files, err := ReadFiles(bytes.NewReader(data)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: ReadFiles = %v, %v, want ErrFormat", name, files, err)
		}
	}
}

// A damaged disk gives an error or files, but no panic and no more memory than the limits allow.
func FuzzReadFiles(f *testing.F) {
	good := disk(f, "STACKCFG", map[string][]byte{"runtime.env": []byte("A=1\n"), "base.env": []byte("B=2\n")})
	f.Add(good[firstVolume:], uint32(0), byte(0))
	f.Fuzz(func(t *testing.T, tail []byte, at uint32, flip byte) {
		data := append(make([]byte, firstVolume), tail...)
		if len(tail) > 0 {
			data[firstVolume+int(at)%len(tail)] ^= flip
		}
		files, err := ReadFiles(bytes.NewReader(data))
		if err == nil && files == nil {
			t.Fatal("neither files nor an error")
		}
		for name, file := range files {
			if len(file) > maxFile {
				t.Fatalf("%q has %d bytes", name, len(file))
			}
		}
	})
}
