package toolbin

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

func TestRead(t *testing.T) {
	tree := fstest.MapFS{
		"stackguest-linux-amd64.gz": {Data: packed(t, "program")},
		"bootinit-linux-amd64.gz":   {Data: packed(t, "program")[:15]},
	}
	if got, err := read(tree, "stackguest", "amd64"); err != nil || string(got) != "program" {
		t.Errorf("read = %q, %v", got, err)
	}
	if _, err := read(tree, "stackguest", "arm64"); !errors.Is(err, ErrMissing) {
		t.Errorf("another architecture: %v, want ErrMissing", err)
	}
	if _, err := read(tree, "bootinit", "amd64"); err == nil || !strings.Contains(err.Error(), "bootinit-linux-amd64.gz") {
		t.Errorf("damaged program: %v, want an error that names the file", err)
	}
}

func packed(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
