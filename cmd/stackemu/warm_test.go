package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// accepts asks the backend for credentials with a key.
func (e *emulator) accepts(key string) bool {
	e.Helper()
	r, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d%s", e.port["BACKEND"], qemutest.ProjectPath), nil)
	if err != nil {
		e.Fatal(err)
	}
	r.Header.Set(qemutest.KeyHeader, key)
	r.Close = true // the next one may be for another VM at the same port
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		e.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// rotated checks that a guest that is ready has a key of its own, that the product's tools find it, and that the public one is
// worth nothing.
func (e *emulator) rotated() (key string) {
	e.Helper()
	text, err := os.ReadFile(e.file("run/vm/internal-pck"))
	if err != nil {
		e.Fatal(err)
	}
	key = string(text)
	if !e.accepts(key) {
		e.Error("the published key is not accepted")
	}
	if key == qemutest.PlaceholderKey || e.accepts(qemutest.PlaceholderKey) {
		e.Error("the placeholder key is accepted")
	}
	if info, err := os.Stat(e.file("run/vm/internal-pck")); err != nil || info.Mode().Perm() != 0o600 {
		e.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	return key
}

// snapshots are the generations in the store, by their names.
func (e *emulator) snapshots() (names []string) {
	e.Helper()
	dirs, err := filepath.Glob(e.file("snapshots", "*.[0-9]"))
	if err != nil {
		e.Fatal(err)
	}
	for _, dir := range dirs {
		names = append(names, filepath.Base(dir))
	}
	return names
}

func TestFirstUpCapturesAndResumes(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	c := e.up()
	e.rotated()
	e.stop(c)
	e.says(c, "default: captures a snapshot first", "capturing", "saving", "resuming", "refreshing", "probing", "ready", "stopping", "saving", "stopped")
	e.saysNot(c, "cold-booting", "warning")
	if s := e.snapshots(); len(s) != 1 {
		t.Errorf("snapshots: %q", s)
	}
}

// What the guest is told is about this host and now. The ports that it was captured with it knows; others it is told.
func TestGuestIsToldWhereItIs(t *testing.T) {
	t.Parallel()
	s := healthy
	s.Guest = &qemutest.Guest{RequestTo: filepath.Join(t.TempDir(), "request")}
	e := newEmulator(t, s)
	told := func() (r guestapi.Request) {
		began := time.Now()
		e.stop(e.up())
		text, err := os.ReadFile(s.Guest.RequestTo)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		if r.Time.Before(began) || r.Time.After(time.Now()) || len(r.Entropy) < 32 || len(r.Secrets) != len(guestapi.SecretNames) {
			t.Errorf("got %v, %d bytes of entropy, %d secrets", r.Time, len(r.Entropy), len(r.Secrets))
		}
		return r
	}
	if r := told(); r.Runtime != nil {
		t.Errorf("it knows where it is, and is told %v", r.Runtime)
	}
	e.run(0, "reset", "--yes")
	e.port["BACKEND"] = clitest.FreePort(t)
	e.env = append(e.env, fmt.Sprintf("EMULATOR_BACKEND_PORT=%d", e.port["BACKEND"]))
	if port := told().Runtime["STACK_EMULATOR_BACKEND_HOST_PORT"]; port != strconv.Itoa(e.port["BACKEND"]) {
		t.Errorf("the backend's port is %q", port)
	}
}

// A stop saves what the instance has become. The next start goes on from there, with the same secrets, as often as one likes.
func TestUpResumesTheSession(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	c := e.up()
	key := e.rotated()
	e.stop(c)
	for range 2 {
		c = e.up()
		if again := e.rotated(); again != key {
			t.Errorf("the key was %s and is %s", key, again)
		}
		e.stop(c)
		e.says(c, "preparing", "resuming", "refreshing", "probing", "ready", "stopping", "saving", "stopped")
		e.saysNot(c, "capturing", "cold-booting", "warning")
	}
}

// Two guests that leave the same snapshot have different secrets.
func TestEveryLifeHasItsSecrets(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	c := e.up()
	first := e.rotated()
	e.stop(c)
	e.run(0, "reset", "--yes")
	c = e.up()
	if second := e.rotated(); second == first {
		t.Error("the same key twice")
	}
	e.stop(c)
	e.saysNot(c, "capturing")
}

// A session that cannot be saved costs the next start its speed, and nothing else.
func TestSessionThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.run(0, "capture")
	s := healthy
	s.Monitor.Migration.SaveError = "no space left on device"
	qemutest.Rewrite(t, e.qemu, s)
	c := e.up()
	key := e.rotated()
	e.stop(c)
	e.says(c, `warning: default: the session cannot be saved, so the guest is shut down instead: .*no space left`, "stopped")
	qemutest.Rewrite(t, e.qemu, healthy)
	c = e.up()
	if again := e.rotated(); again != key {
		t.Errorf("the key was %s and is %s", key, again)
	}
	e.stop(c)
	e.says(c, "cold-booting", "ready")
	e.saysNot(c, "warning", "capturing", "resuming")
}

// The second Ctrl-C does not wait for a guest that cannot be saved now.
func TestSecondCtrlCWhileSaving(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.run(0, "capture")
	s := healthy
	s.Agent = &qemutest.Agent{Execs: map[string]qemutest.Exec{"/bin/sync": {Takes: time.Hour}}}
	qemutest.Rewrite(t, e.qemu, s)
	c := e.up()
	c.Interrupt()
	c.Until(`^default +saving`)
	time.Sleep(2 * bounce) // an earlier one would pass for an echo of the first
	c.Interrupt()
	if code := c.End(); code != exitForced {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	e.nothingLeft()
}

// A directory of the host is there after every resume, and is in no snapshot and no session.
func TestMountIsPluggedInAgain(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	dir := t.TempDir()
	for range 2 {
		c := e.up("--mount", dir)
		e.stop(c)
		e.saysNot(c, "cold-booting", "warning")
	}
	c := e.up() // without it
	e.stop(c)
	e.saysNot(c, "cold-booting", "warning")
}
