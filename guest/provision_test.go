package guest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu"
)

// testBuilder is a builder whose QEMU is a shell: its "command line" says what appears on the serial console.
func testBuilder(t *testing.T, progress func(Stage)) *builder {
	t.Helper()
	work := t.TempDir()
	b := &builder{
		Options: Options{Output: filepath.Join(work, "image.qcow2"), Progress: progress, Qemu: &qemu.Binary{Path: "/bin/sh"}},
		work:    work, logs: work,
	}
	return b
}

func TestFirstBoot(t *testing.T) {
	cases := []struct {
		name, script string
		want         []string // parts of the error; none for success
	}{
		{"done", `printf 'noise\r\nSTACK_PROVISION: one\r\nSTACK_CLOUD_INIT_DONE\r\nPower down\r\n'`, nil},
		{"failed", `printf 'a cause\nSTACK_CLOUD_INIT_FAILED: waiting (exit code 1)\n'`,
			[]string{"in the guest: waiting (exit code 1)", "last lines of the serial console:", "  a cause"}},
		{"silent", `echo Kernel panic`, []string{errNoMarker.Error(), "  Kernel panic"}},
		{"QEMU fails", `echo no such machine >&2; exit 1`, []string{errNoMarker.Error(), "no such machine"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var stages []string
			b := testBuilder(t, func(s Stage) { stages = append(stages, s.Detail) })
			err := b.firstBoot(t.Context(), []string{"-c", c.script})
			if (err == nil) != (c.want == nil) {
				t.Fatalf("error %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is missing in %v", want, err)
				}
			}
			if c.want == nil && (len(stages) != 1 || stages[0] != "one") {
				t.Errorf("progress %q", stages)
			}
			if _, err := os.Stat(filepath.Join(b.logs, "serial.log")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFirstBootIsStopped(t *testing.T) {
	stop := errors.New("stopped by the user")
	ctx, cancel := context.WithCancelCause(t.Context())
	b := testBuilder(t, func(Stage) { cancel(stop) })
	begin := time.Now()
	err := b.firstBoot(ctx, []string{"-c", "echo STACK_PROVISION: endless; exec sleep 60"})
	if !errors.Is(err, stop) || time.Since(begin) > 30*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

func TestFirstBootStandsStill(t *testing.T) {
	defer func(limit time.Duration) { stallLimit = limit }(stallLimit)
	stallLimit = 50 * time.Millisecond
	b := testBuilder(t, nil)
	b.Arch = map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	err := b.firstBoot(t.Context(), []string{"-c", "echo rcu stall; exec sleep 60"})
	if !errors.Is(err, errStalled) || !strings.Contains(err.Error(), "for 150ms") || !strings.Contains(err.Error(), "rcu stall") {
		t.Errorf("%v", err)
	}
}

func TestLastLines(t *testing.T) {
	last := &tail{limit: 64}
	for _, text := range []string{"dropped\n", "one\r\n", "\n\x1b[1mtwo\x1b[0m\r\n"} {
		if _, err := last.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got := lastLines(last, 2); got != "  one\n  two" {
		t.Errorf("%q", got)
	}
	if got := lastLines(&tail{}, 2); got != "" {
		t.Errorf("%q", got)
	}
}
