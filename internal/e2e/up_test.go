package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stackemu/stackemu/internal/tracetest"
	"github.com/stackemu/stackemu/qemu"
)

// The whole story of a newcomer: a cold boot, a stack that works, a clean stop, and data that is there the next time.
func TestUp(t *testing.T) {
	e := newEmulator(t)
	c := e.start("up")
	c.Until(`^default +ready`)

	for service, path := range map[string]string{"BACKEND": "/health?db=1", "DASHBOARD": "/handler/sign-in"} {
		if code := e.call("GET", e.url(service, path), nil, nil, nil); code != 200 {
			t.Errorf("%s%s: %d", service, path, code)
		}
	}
	file := "/home/me/app/stack.config.ts"
	mine, code := e.project(placeholderKey, file)
	if code != 200 || mine.ProjectID == "" || !strings.HasPrefix(mine.SecretServerKey, "ssk_") {
		t.Fatalf("credentials: %d %+v", code, mine)
	}
	if _, code := e.project(strings.Repeat("a", 64), file); code != 401 {
		t.Errorf("a wrong key: %d, want 401", code)
	}
	if again, _ := e.project(placeholderKey, file); again != mine {
		t.Errorf("the same file has other credentials now: %+v, %+v", again, mine)
	}
	if code := e.call("GET", e.url("BACKEND", "/api/v1/projects/current"), client(mine.ProjectID, mine.PublishableClientKey), nil, nil); code != 200 {
		t.Errorf("the project's own key: %d", code)
	}
	if code := e.call("POST", e.url("BACKEND", "/api/v1/internal/cron/expire-sessions"), nil, nil, nil); code != 401 {
		t.Errorf("cron without its secret: %d, want 401", code)
	}
	compareTrace(t, e)
	e.stop(c)

	again := e.start("up")
	again.Until(`^default +ready`)
	if kept, code := e.project(placeholderKey, file); code != 200 || kept != mine {
		t.Errorf("after a stop and a start: %d %+v, want %+v", code, kept, mine)
	}
	e.stop(again)
}

// compareTrace holds the real start against the story that the actor tests tell with fakes.
func compareTrace(t *testing.T, e *emulator) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("..", "..", "actors", "testdata", "cold-start.golden"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := tracetest.Read(strings.NewReader(e.read("messages.jsonl")))
	if err != nil {
		t.Fatal(err)
	}
	if got := tracetest.Story(entries, "fleet/default", "ready"); got != string(want) {
		t.Errorf("the trace of the real start:\n%s\nof the fake one:\n%s", got, want)
	}
}

// A QEMU that is killed is replaced, three times at most; the instance's data survives each of the deaths.
func TestKilledQEMU(t *testing.T) {
	e := newEmulator(t)
	c := e.start("up")
	var mine credentials
	var last int
	for death := range 3 {
		c.Until(`^default +ready`)
		id, err := qemu.ReadPID(e.file("qemu.pid"))
		if err != nil || id.PID == last {
			t.Fatalf("death %d: pid %d after %d, %v", death, id.PID, last, err)
		}
		last = id.PID
		now, code := e.project(placeholderKey, "/home/me/app/stack.config.ts")
		if code != 200 || death > 0 && now != mine {
			t.Errorf("death %d: %d %+v, want %+v", death, code, now, mine)
		}
		mine = now
		if err := syscall.Kill(id.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if code := c.End(); code != 1 || strings.Count(c.Stderr(), "killed by signal") != 3 {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	e.nothingLeft()
}

// The supervisor is killed: its VM is shut down by the next one, through ACPI, and nothing is lost.
func TestOrphan(t *testing.T) {
	e := newEmulator(t)
	first := e.start("up")
	first.Until(`^default +ready`)
	mine, _ := e.project(placeholderKey, "/home/me/app/stack.config.ts")
	first.Kill()
	first.End()
	second := e.start("up")
	second.Until(`ended a VM that a former supervisor had left`)
	second.Until(`^default +ready`)
	if kept, code := e.project(placeholderKey, "/home/me/app/stack.config.ts"); code != 200 || kept != mine {
		t.Errorf("%d %+v, want %+v", code, kept, mine)
	}
	e.stop(second)
}
