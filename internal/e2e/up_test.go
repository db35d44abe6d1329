package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/tracetest"
	"github.com/stackemu/stackemu/qemu"
)

// appFile is the config file of an app; nothing of it is read but its path.
const appFile = "/home/me/app/stack.config.ts"

// The whole story of a newcomer: a capture, a resume of it with fresh secrets, a stack that works, a stop, and data that is
// there the next time.
func TestUp(t *testing.T) {
	e := newEmulatorWithout(t)
	first := e.firstAnswers()
	c := e.up()
	first()
	for service, path := range map[string]string{"BACKEND": "/health?db=1", "DASHBOARD": "/handler/sign-in", "MINIO": "/minio/health/live", "INBUCKET": "/"} {
		if code := e.call("GET", e.url(service, path), nil, nil, nil); code != 200 {
			t.Errorf("%s%s: %d", service, path, code)
		}
	}
	mine := e.worksWith(e.key())
	e.compareTrace("capture-resume-save.golden", "ready")
	e.stop(c)

	key := e.key()
	again := e.up()
	if e.key() != key {
		t.Error("a resumed session has another key")
	}
	if log := e.read("messages.jsonl"); !strings.Contains(log, `"atPort":true`) || strings.Contains(log, "RefreshFailed") {
		t.Error("the guest's tools were not called at their port")
	}
	if kept := e.worksWith(key); kept != mine {
		t.Errorf("after a stop and a start: %+v, want %+v", kept, mine)
	}
	e.stop(again)
}

// The same without snapshots, which is how everything falls back.
func TestUpColdBoot(t *testing.T) {
	e := newEmulatorWithout(t)
	cold := "EMULATOR_NO_SNAPSHOT=1"
	first := e.firstAnswers()
	c := e.up(cold)
	first()
	mine := e.worksWith(e.key())
	e.compareTrace("cold-start.golden", "ready")
	e.stop(c)

	again := e.up(cold)
	if kept := e.worksWith(e.key()); kept != mine {
		t.Errorf("after a stop and a cold boot: %+v, want %+v", kept, mine)
	}
	e.stop(again)
}

// The same with the format of the product's own tools.
func TestUpMappedRAM(t *testing.T) {
	e := newEmulatorWithout(t)
	e.env = append(e.env, "EMULATOR_SNAPSHOT_FORMAT=mapped-ram")
	first := e.firstAnswers()
	c := e.up()
	first()
	mine := e.worksWith(e.key())
	e.stop(c)

	again := e.up() // its session
	if kept := e.worksWith(e.key()); kept != mine {
		t.Errorf("after a stop and a start: %+v, want %+v", kept, mine)
	}
	e.stop(again)
	e.reset()

	captured := e.captureTime()
	if err := os.Remove(filepath.Join(e.generation(), "savevm.raw")); err != nil { // a cache: the packed file has it all
		t.Fatal(err)
	}
	restored := e.up()
	if e.captureTime() != captured || strings.Contains(restored.Stdout(), "captures") {
		t.Error("the snapshot was captured again")
	}
	e.worksWith(e.key())
	e.stop(restored)
	e.reset()

	truncate(t, filepath.Join(e.generation(), "savevm.raw"), 1<<20)
	recaptured := e.up()
	if e.captureTime() == captured || !strings.Contains(recaptured.Stdout(), "set aside a damaged snapshot") {
		t.Error("a damaged snapshot is still in use")
	}
	e.worksWith(e.key())
	e.stop(recaptured)
}

// worksWith checks that the stack does what it is for, and gives the credentials of an app.
func (e *emulator) worksWith(key string) credentials {
	e.Helper()
	mine, code := e.project(key, appFile)
	if code != 200 || mine.ProjectID == "" || !strings.HasPrefix(mine.SecretServerKey, "ssk_") {
		e.Fatalf("credentials: %d %+v", code, mine)
	}
	if again, _ := e.project(key, appFile); again != mine {
		e.Errorf("the same file has other credentials now: %+v, %+v", again, mine)
	}
	if code := e.call("GET", e.url("BACKEND", "/api/v1/projects/current"), client(mine.ProjectID, mine.PublishableClientKey), nil, nil); code != 200 {
		e.Errorf("the project's own key: %d", code)
	}
	for _, wrong := range []string{placeholderKey, strings.Repeat("a", 64)} {
		if _, code := e.project(wrong, appFile); code != 401 {
			e.Errorf("with the key %s: %d, want 401", wrong, code)
		}
	}
	if code := e.call("POST", e.url("BACKEND", "/api/v1/internal/cron/expire-sessions"), nil, nil, nil); code != 401 {
		e.Errorf("cron without its secret: %d, want 401", code)
	}
	return mine
}

// firstAnswers begins to ask for what nobody may get: the backend with the placeholder key, and the dashboard for the key that it gives
// to browsers. What it returns checks their first answers, once the instance is ready.
func (e *emulator) firstAnswers() (check func()) {
	backend := e.firstAnswer("BACKEND", "/api/v1/projects/current", client("internal", placeholderKey))
	dashboard := e.firstAnswer("DASHBOARD", "/api.js", nil)
	return func() {
		e.Helper()
		if a := <-backend; a.code != 401 {
			e.Errorf("the first request that was answered, with the placeholder key: %d, want 401", a.code)
		}
		if a := <-dashboard; a.code != 200 || strings.Contains(a.body, placeholderKey) || !strings.Contains(a.body, e.key()) {
			e.Errorf("the dashboard's first answer, %d, is not with the instance's own key:\n%s", a.code, a.body)
		}
	}
}

type answer struct {
	code int
	body string
}

// firstAnswer asks a service, over and over, until it is answered.
func (e *emulator) firstAnswer(service, path string, headers map[string]string) <-chan answer {
	first := make(chan answer, 1)
	asking := time.NewTicker(5 * time.Millisecond)
	e.Cleanup(asking.Stop)
	ctx := e.Context()
	go func() {
		for {
			select {
			case <-ctx.Done():
				first <- answer{}
				return
			case <-asking.C:
			}
			if a, err := fetch(ctx, e.url(service, path), headers); err == nil {
				first <- a
				return
			}
		}
	}()
	return first
}

func fetch(ctx context.Context, url string, headers map[string]string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	return answer{got.StatusCode, string(body)}, err
}

// beyondTheFakes says whether a message is about a service that the fake world does not have.
func beyondTheFakes(e tracetest.Entry) bool {
	var about struct{ Service string }
	_ = json.Unmarshal(e.Body, &about) // a message without a body is about none
	return e.Type == "ServiceChanged" && slices.Contains([]string{profile.Storage, profile.Mail}, about.Service)
}

// compareTrace holds a real start against the story that the actor tests tell with fakes, up to a state.
func (e *emulator) compareTrace(golden, until string) {
	e.Helper()
	want, err := os.ReadFile(filepath.Join("..", "..", "actors", "testdata", golden))
	if err != nil {
		e.Fatal(err)
	}
	entries, err := tracetest.Read(strings.NewReader(e.read("messages.jsonl")))
	if err != nil {
		e.Fatal(err)
	}
	got := tracetest.Story(slices.DeleteFunc(entries, beyondTheFakes), "fleet/default", until)
	if !strings.HasPrefix(string(want), got) || got == "" {
		e.Errorf("the trace of the real start:\n%s\nof the fake one:\n%s", got, want)
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
		now := e.worksWith(e.key())
		if death > 0 && now != mine {
			t.Errorf("death %d: %+v, want %+v", death, now, mine)
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

// The supervisor is killed: its VM goes on serving, and the next supervisor takes it over, until a stop that saves a session.
func TestOrphan(t *testing.T) {
	e := newEmulator(t)
	first := e.up()
	mine := e.worksWith(e.key())
	vm, err := qemu.ReadPID(e.file("qemu.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first.Kill()
	first.End()
	if kept := e.worksWith(e.key()); kept != mine {
		t.Errorf("without a supervisor: %+v, want %+v", kept, mine)
	}
	second := e.start("up")
	second.Until(`took over the VM that a former supervisor had left`)
	second.Until(`^default +ready .*taken over`)
	if now, err := qemu.ReadPID(e.file("qemu.pid")); err != nil || now != vm {
		t.Errorf("the VM is another one: %v, %v", now, err)
	}
	e.stop(second)
	third := e.up()
	if !strings.Contains(third.Stdout(), "resumed") {
		t.Error("no session was saved")
	}
	if kept := e.worksWith(e.key()); kept != mine {
		t.Errorf("%+v, want %+v", kept, mine)
	}
	e.stop(third)
}
