package bugreport

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRedact(t *testing.T) {
	r := NewRedactor("/srv/ada", "hunter2hunter2", "hunter2", "a")
	hex := strings.Repeat("0123456789abcdef", 4)
	for text, want := range map[string]string{
		"nothing to hide, a word":                                                "nothing to hide, a word",
		"the key hunter2hunter2 and hunter2.":                                    "the key [redacted] and [redacted].",
		"/srv/ada/.stack/emulator":                                               "~/.stack/emulator",
		"key " + hex + ", done":                                                  "key [redacted], done",
		`{"digest":"sha256:` + hex + `"}`:                                        `{"digest":"sha256:` + hex + `"}`,
		"pck_abcdefgh12345678 ssk_abcdefgh12345678":                              "[redacted] [redacted]",
		"Authorization: Bearer abc.def-ghi_jkl":                                  "Authorization: Bearer [redacted]",
		"http://user:pass@proxy:3128/":                                           "http://user:[redacted]@proxy:3128/",
		"GITHUB_TOKEN=abcdefg":                                                   "GITHUB_TOKEN=[redacted]",
		`"password": "secret123"`:                                                `"password": "[redacted]"`,
		"-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nx": "[redacted]\nx",
		"snapshot a124ecb48a322ced312f":                                          "snapshot a124ecb48a322ced312f",
		"eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl":                         "[redacted]",
	} {
		if got := string(r.Redact([]byte(text))); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// Whatever surrounds a secret that is known, it is not in what comes out.
func FuzzRedact(f *testing.F) {
	f.Add([]byte("before "), []byte(" after"))
	f.Add([]byte(`{"secret":"`), []byte(`"}`))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		const secret = "Tr0ub4dor&3-Tr0ub4dor&3"
		out := NewRedactor("/srv/ada", secret).Redact(append(append(before, secret...), after...))
		if bytes.Contains(out, []byte(secret)) {
			t.Errorf("got %q", out)
		}
	})
}

func TestPack(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, "long.log")
	if err := os.WriteFile(long, append(bytes.Repeat([]byte("x\n"), maxFile/2), "the end hunter2\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p := NewPacker(&out, "report", time.Unix(1, 0), NewRedactor("", "hunter2"))
	err := errors.Join(p.Add("SUMMARY.txt", []byte("hunter2 was here")), p.AddFile("long.log", long), p.AddFile("absent", filepath.Join(dir, "absent")), p.AddFile("folder", dir), p.Close())
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(files)
		if err != nil || bytes.Contains(content, []byte("hunter2")) || h.Mode != 0o600 {
			t.Errorf("%s: %v, mode %o", h.Name, err, h.Mode)
		}
		if h.Name == "report/long.log" && (len(content) > maxFile+16 || !bytes.HasSuffix(content, []byte("the end [redacted]\n"))) {
			t.Errorf("%d bytes that end with %q", len(content), content[len(content)-20:])
		}
		names = append(names, h.Name)
	}
	if got := strings.Join(names, " "); got != "report/SUMMARY.txt report/long.log report/folder" {
		t.Errorf("got %s", got)
	}
}
