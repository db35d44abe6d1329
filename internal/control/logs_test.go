package control

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// logged has its logs in the directory of its socket.
type logged struct {
	*fake
	dir string
}

func (l logged) Logs() map[string]string {
	return map[string]string{"serial": filepath.Join(l.dir, "serial.log"), "supervisor": filepath.Join(l.dir, "none.log")}
}

func (f *fake) Logs() map[string]string { return nil }

func (l logged) write(t *testing.T, text string) {
	t.Helper()
	f, err := os.OpenFile(l.Logs()["serial"], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestLogs(t *testing.T) {
	path := socketIn(t)
	l := logged{newFake(), filepath.Dir(path)}
	long := strings.Repeat("x", MaxLogLine+5)
	l.write(t, "one\r\ntwo\n"+long+"\nhalf")
	v, c := served(t, path, l)
	var got []string
	note := func(l LogLine) error { got = append(got, l.Source+" "+l.Line); return nil }
	if err := c.Logs(t.Context(), "serial", 10, false, note); err != nil {
		t.Fatal(err)
	}
	if want := []string{"serial one", "serial two", "serial " + long[5:], "serial xxxxx", "serial half"}; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %.200q", got)
	}
	for _, x := range []struct {
		source string
		lines  int
		code   string
	}{{"supervisor", 1, CodeNoLog}, {"weather", 1, CodeRequest}, {"serial", -1, CodeRequest}, {"serial", maxLogLines + 1, CodeRequest}} {
		err := c.Logs(t.Context(), x.source, x.lines, true, note)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != x.code {
			t.Errorf("%s, %d lines: %v", x.source, x.lines, err)
		}
	}

	// It goes on with what is written, and ends with who listens, and with the supervisor.
	l.write(t, "\n")
	enough := errors.New("enough")
	ctx, cancel := context.WithCancel(t.Context())
	closed := make(chan error, 1)
	for _, end := range []struct {
		how  func() error
		want error
	}{
		{func() error { return enough }, enough},
		{func() error { cancel(); return nil }, context.Canceled},
		{func() error { go func() { closed <- v.Close(t.Context()) }(); return nil }, nil},
	} {
		n := 0
		err := c.Logs(ctx, "serial", 1, true, func(LogLine) error {
			if n++; n > 1 {
				return end.how()
			}
			l.write(t, "more\n")
			return nil
		})
		if !errors.Is(err, end.want) || n != 2 {
			t.Errorf("%d lines, %v, want %v", n, err, end.want)
		}
		if ctx.Err() != nil {
			ctx = t.Context()
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
