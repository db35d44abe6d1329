package tail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	long := strings.Repeat("x", 40<<10) + "\n" // more than a block
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"one\ntwo\nthree\n", 2, "two\nthree\n"},
		{"one\ntwo\nthree", 2, "two\nthree"},
		{"one\ntwo\n", 2, "one\ntwo\n"},
		{"one\ntwo\n", 5, "one\ntwo\n"},
		{"one\ntwo\n", 0, ""},
		{"one\ntwo\n", -1, "one\ntwo\n"},
		{"one\n\n", 1, "\n"},
		{"", 3, ""},
		{"one\n" + long + long, 2, long + long},
		{"one\n" + long + "two\n", 3, "one\n" + long + "two\n"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := Copy(t.Context(), &out, path, Options{Lines: c.n}); err != nil || out.String() != c.want {
			t.Errorf("%d lines of %.20q: got %.20q, %v", c.n, c.text, out.String(), err)
		}
	}
	if err := Copy(t.Context(), io.Discard, path+".no", Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// reader reads what Copy writes.
type reader struct {
	*testing.T
	pipe *io.PipeReader
}

func (r reader) want(text string) {
	r.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(r.pipe, got); err != nil || string(got) != text {
		r.Fatalf("got %q, %v, want %q", got, err, text)
	}
}

func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	write(t, path, "old\nlast\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Copy(ctx, out, path, Options{Lines: 1, Follow: true}) }()
	r := reader{t, in}
	r.want("last\n")
	write(t, path, "more\n")
	r.want("more\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, path+".1", "the rest\n")
	write(t, path, "new\n")
	r.want("the rest\nnew\n")
	if err := os.WriteFile(path, []byte("n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.want("n\n")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, fmt.Errorf("full") }

func TestOutputEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	write(t, path, "x\n")
	if err := Copy(t.Context(), full{}, path, Options{Lines: 1, Follow: true}); err == nil || err.Error() != "full" {
		t.Errorf("got %v", err)
	}
}
