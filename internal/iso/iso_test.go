package iso

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

func TestWriteReadsBack(t *testing.T) {
	sets := map[string]map[string][]byte{
		"STACKCFG":    {"runtime.env": []byte("STACK_EMULATOR_PORT_PREFIX=81\n"), "base.env": []byte("A=b\n")},
		"cidata":      {"user-data": []byte("#cloud-config\n"), "meta-data": []byte("instance-id: build\n")},
		"STACKBUNDLE": {"build.env": []byte("X=1\n"), "build-arch.env": bytes.Repeat([]byte("y"), 3*blockSize+1)},
		"FULL":        {"exactly.one": bytes.Repeat([]byte("z"), blockSize), "empty": nil, "zz-last": bytes.Repeat([]byte("q"), 2*blockSize)},
	}
	for label, files := range sets {
		t.Run(label, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk.iso")
			if err := Write(path, label, files); err != nil {
				t.Fatal(err)
			}
			expectOwnerOnly(t, path)
			expectAlone(t, path)
			expectRockRidge(t, path, label, files)
			expectJoliet(t, path, label, files)
		})
	}
}

func TestWriteReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.iso")
	if err := os.WriteFile(path, []byte("anybody may read this"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"old\n", "new\n"} {
		files := map[string][]byte{"runtime.env": []byte(text)}
		if err := Write(path, "STACKCFG", files); err != nil {
			t.Fatal(err)
		}
		expectOwnerOnly(t, path)
		expectRockRidge(t, path, "STACKCFG", files)
	}
}

func TestWriteRefuses(t *testing.T) {
	cases := []struct {
		label, name, want string
	}{
		{"", "a", `label ""`},
		{"has space", "a", `label "has space"`},
		{"OK", "dir/file", `file name "dir/file"`},
		{"OK", "..", `file name ".."`},
		{"OK", padName, `file name "` + padName + `"`},
		{"OK", strings.Repeat("n", 64), "file name"},
	}
	for _, c := range cases {
		path := filepath.Join(t.TempDir(), "disk.iso")
		err := Write(path, c.label, map[string][]byte{c.name: nil})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "iso: disk.iso: ") {
			t.Errorf("Write(%q, %q) = %v, want %q", c.label, c.name, err, c.want)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("Write(%q, %q) left a file", c.label, c.name)
		}
	}
}

func expectOwnerOnly(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 || info.Size()%blockSize != 0 {
		t.Errorf("mode %v, size %d: want 0600 and whole sectors", info.Mode(), info.Size())
	}
}

func expectAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("%d files beside the image, want none", len(entries)-1)
	}
}

// expectRockRidge reads the image with go-diskfs, which follows the primary descriptor and its Rock Ridge names.
func expectRockRidge(t *testing.T, path, label string, files map[string][]byte) {
	t.Helper()
	image, err := file.OpenFromPath(path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	fsys, err := iso9660.Read(image, 0, 0, blockSize)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimRight(fsys.Label(), " \x00"); got != label {
		t.Errorf("label %q, want %q", got, label)
	}
	for name, want := range files {
		got, err := fs.ReadFile(fsys, name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, len(want))
		}
	}
}

// expectJoliet follows the supplementary descriptor by hand (ECMA-119 8.5 and 9.1): what Windows and old tools see.
func expectJoliet(t *testing.T, path, label string, files map[string][]byte) {
	t.Helper()
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	svd := image[17*blockSize : 18*blockSize]
	if svd[0] != 2 || string(svd[1:6]) != "CD001" || string(svd[88:91]) != "%/E" {
		t.Fatalf("sector 17 is no Joliet descriptor: % x", svd[:8])
	}
	if got := ucs2(svd[40:72]); strings.TrimRight(got, " \x00") != label[:min(len(label), 16)] {
		t.Errorf("Joliet label %q, want %q", got, label)
	}
	found := jolietFiles(image, svd[156:190])
	for name, want := range files {
		if got, ok := found[name]; !ok || !bytes.Equal(got, want) {
			t.Errorf("Joliet %s: %d bytes (there: %v), want %d", name, len(got), ok, len(want))
		}
	}
}

func jolietFiles(image, root []byte) map[string][]byte {
	at, size := extent(root)
	files := map[string][]byte{}
	for dir := image[at : at+size]; len(dir) > 33 && dir[0] > 0; dir = dir[dir[0]:] {
		if dir[25]&2 != 0 { // a directory: the root itself and its parent
			continue
		}
		at, size := extent(dir)
		name, _, _ := strings.Cut(ucs2(dir[33:33+int(dir[32])]), ";")
		files[name] = image[at : at+size]
	}
	return files
}

func extent(record []byte) (at, size int) {
	return int(binary.LittleEndian.Uint32(record[2:])) * blockSize, int(binary.LittleEndian.Uint32(record[10:]))
}

func ucs2(b []byte) string {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, binary.BigEndian.Uint16(b))
	}
	return string(utf16.Decode(units))
}

func ExampleWrite() {
	dir, _ := os.MkdirTemp("", "iso")
	defer os.RemoveAll(dir)
	err := Write(filepath.Join(dir, "runtime-config.iso"), "STACKCFG", map[string][]byte{"runtime.env": []byte("A=1\n")})
	fmt.Println(err)
	// Output: <nil>
}
