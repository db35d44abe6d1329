package rotate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var at = time.Date(2026, 11, 23, 12, 0, 0, 5e6, time.UTC)

const prefix = "2026-11-23T12:00:00.005Z "

func open(t *testing.T, path string, max int64, swap func(*os.File) error) *File {
	t.Helper()
	f, err := Open(path, max, swap)
	if err != nil {
		t.Fatal(err)
	}
	f.now = func() time.Time { return at }
	t.Cleanup(func() { f.Close() })
	return f
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	f := open(t, path, 1<<20, nil)
	for _, part := range []string{"one\ntw", "o\n", "", "three\n\n"} {
		fmt.Fprint(f, part)
	}
	if got, want := content(t, path), prefix+"one\n"+prefix+"two\n"+prefix+"three\n"+prefix+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f.Close()
	if n, err := f.Write([]byte("late\n")); n != 5 || err != nil {
		t.Errorf("after the end: %d, %v", n, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	swaps := 0
	f := open(t, path, 100, func(*os.File) error { swaps++; return nil })
	long := strings.Repeat("x", 80)
	fmt.Fprintf(f, "%s\nhalf", long) // over the limit, but in the middle of a line
	fmt.Fprint(f, " a line\nnew\n")
	fmt.Fprint(f, "newer\n")
	if got, want := content(t, path+".1"), "old\n"+prefix+long+"\n"+prefix+"half a line\n"+prefix+"new\n"; got != want {
		t.Errorf("set aside: got %q, want %q", got, want)
	}
	if got, want := content(t, path), prefix+"newer\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if swaps != 2 {
		t.Errorf("%d swaps", swaps)
	}
}

func TestCannotOpen(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "no", "x.log"), 1, nil); err == nil {
		t.Error("no error")
	}
}
