package stacklogs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/tail"
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

func TestShow(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "stack-app.log"), "one\ntwo\nthree")
	write(t, filepath.Join(dir, "mail.log"), "sent\n")
	write(t, filepath.Join(dir, "mail.log.1"), "old\n")
	write(t, filepath.Join(dir, "notes.txt"), "x\n")
	write(t, filepath.Join(dir, "empty.log"), "")
	var out bytes.Buffer
	if err := Show(t.Context(), &out, dir, tail.Options{Lines: 2}); err != nil {
		t.Fatal(err)
	}
	if want := "mail      | sent\nstack-app | two\nstack-app | three\n"; out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
	if err := Show(t.Context(), &out, dir+".no", tail.Options{}); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
}

func TestLongLine(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log"), strings.Repeat("x", 5*maxLine)+"\nend\n")
	var out bytes.Buffer
	if err := Show(t.Context(), &out, dir, tail.Options{Lines: -1}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), "x"); got != 5*maxLine || !strings.HasSuffix(out.String(), "\na | end\n") {
		t.Errorf("%d of %d characters are left", got, 5*maxLine)
	}
}

// What is added comes, also of a service that has had no log.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log"), "old\n")
	in, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Show(ctx, out, dir, tail.Options{Lines: 1, Follow: true}) }()
	want := func(text string) {
		t.Helper()
		got := make([]byte, len(text))
		if _, err := io.ReadFull(in, got); err != nil || string(got) != text {
			t.Fatalf("got %q, %v, want %q", got, err, text)
		}
	}
	want("a | old\n")
	write(t, filepath.Join(dir, "b.log"), "first\n")
	want("b | first\n")
	write(t, filepath.Join(dir, "a.log"), "ne")
	write(t, filepath.Join(dir, "a.log"), "w\n")
	want("a | new\n")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	in.Close()
}
