package download

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// entry is a file in an archive under test.
type entry struct {
	name   string
	body   []byte
	method uint16
	mode   fs.FileMode
}

func archive(t testing.TB, entries ...entry) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: e.method}
		h.SetMode(e.mode | 0o644)
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "archive.zip")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const wanted = "stack-emulator-amd64.qcow2"

func unpack(t testing.TB, path string) (Unpacked, []byte, error) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "out")
	u, err := UnpackFile(context.Background(), Unpack{Archive: path, Name: wanted, To: to})
	got, readErr := os.ReadFile(to)
	if err != nil && readErr == nil {
		t.Error("there is a new file after an error")
	}
	return u, got, err
}

func TestUnpack(t *testing.T) {
	body := append(randomBytes(mib, 3), make([]byte, mib)...)
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		for _, name := range []string{wanted, "out/dist/" + wanted} {
			path := archive(t, entry{name: "README", body: []byte("hello")}, entry{name: name, body: body, method: method}, entry{name: "z/", mode: fs.ModeDir})
			u, got, err := unpack(t, path)
			if err != nil || !bytes.Equal(got, body) || u.Digest != digestOf(body) || u.Size != int64(len(body)) {
				t.Errorf("%d, %s: %+v, %d bytes, %v", method, name, u, len(got), err)
			}
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	body := randomBytes(1000, 4)
	good := entry{name: wanted, body: body}
	for name, c := range map[string]struct {
		entries []entry
		want    string
	}{
		"up and out":      {[]entry{good, {name: "../../etc/cron.d/x", body: body}}, "leads out of it"},
		"the file itself": {[]entry{{name: "../" + wanted, body: body}}, "leads out of it"},
		"absolute":        {[]entry{good, {name: "/etc/passwd", body: body}}, "leads out of it"},
		"windows":         {[]entry{good, {name: `..\x`, body: body}}, "leads out of it"},
		"twice":           {[]entry{good, {name: "b/" + wanted, body: body}}, "twice"},
		"missing":         {[]entry{{name: "other", body: body}}, "is not in it"},
		"a link":          {[]entry{{name: wanted, body: []byte("/etc/passwd"), mode: fs.ModeSymlink}}, "no ordinary file"},
		"a folder":        {[]entry{{name: wanted + "/", mode: fs.ModeDir}}, "is not in it"},
	} {
		if _, _, err := unpack(t, archive(t, c.entries...)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnpackDamage(t *testing.T) {
	path := archive(t, entry{name: wanted, body: randomBytes(100_000, 5)})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []int{0, 10, len(whole) / 4, len(whole) / 2, len(whole) - 1} {
		if err := os.WriteFile(path, whole[:length], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := unpack(t, path); err == nil {
			t.Errorf("cut to %d bytes, and no error", length)
		}
	}
	damaged := bytes.Clone(whole)
	damaged[5000] ^= 1
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := unpack(t, path); !errors.Is(err, zip.ErrChecksum) {
		t.Error(err)
	}
}

func TestUnpackIsInterrupted(t *testing.T) {
	path := archive(t, entry{name: wanted, body: randomBytes(mib, 6)})
	ctx, cancel := context.WithCancel(t.Context())
	to := filepath.Join(t.TempDir(), "out")
	_, err := UnpackFile(ctx, Unpack{Archive: path, Name: wanted, To: to, Progress: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := os.Lstat(to); err == nil {
		t.Error("something is left")
	}
}

// A long table of contents is not read into memory.
func TestUnpackLongDirectory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a large archive")
	}
	entries := make([]entry, 60_000)
	for n := range entries {
		entries[n] = entry{name: strings.Repeat("x", 150) + string(rune('a'+n%26))}
	}
	if _, _, err := unpack(t, archive(t, entries...)); !errors.Is(err, errDirectory) {
		t.Error(err)
	}
}

// Where there is no room for both, what was read is given back.
func TestPunching(t *testing.T) {
	if !canPunch {
		t.Skip("not on this system")
	}
	path := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(path, randomBytes(3*punchStep, 7), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &source{file: f, budget: -1, punching: true}
	if _, err := io.Copy(io.Discard, io.NewSectionReader(s, 0, 3*punchStep)); err != nil {
		if errors.Is(err, syscall.EOPNOTSUPP) {
			t.Skip("not on this file system")
		}
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if left := info.Sys().(*syscall.Stat_t).Blocks * 512; left > 2*punchStep || info.Size() != 3*punchStep {
		t.Errorf("%d bytes are left", left)
	}
}

func FuzzUnpack(f *testing.F) {
	for _, e := range []entry{{name: wanted, body: []byte("hello")}, {name: "../x"}, {name: wanted, body: make([]byte, 5000), method: zip.Deflate}} {
		b, err := os.ReadFile(archive(f, e))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "archive")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		u, got, err := unpack(t, path)
		if err == nil && (u.Size != int64(len(got)) || u.Digest != digestOf(got)) {
			t.Errorf("%+v, and %d bytes", u, len(got))
		}
	})
}
