package postresume

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stackemu/stackemu/guest/tools/containertest"
	"github.com/stackemu/stackemu/guest/tools/inforce"
	"github.com/stackemu/stackemu/guest/tools/secret"
	"github.com/stackemu/stackemu/guest/tools/stackenv"
	"github.com/stackemu/stackemu/internal/guestapi"
)

func TestRotateRefuses(t *testing.T) {
	g := Guest{Env: stackenv.Paths{StateDir: t.TempDir() + "/state"}}
	if err := Rotate(t.Context(), g, map[string]string{secret.CronSecret: "1"}); !errors.Is(err, secret.ErrFormat) {
		t.Errorf("err = %v, want ErrFormat", err)
	}
	if _, err := os.Stat(g.Env.StateDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory was made: %v", err)
	}
}

// In a cold boot there is no container yet: the secrets are on the disk for when there is one.
func TestRotateBeforeTheContainer(t *testing.T) {
	g, _ := guest(t)
	if err := Rotate(t.Context(), g, secrets("1")); err != nil {
		t.Fatal(err)
	}
	if err := stackenv.Prepare(g.Env); err != nil {
		t.Fatal(err)
	}
	if env(t, g)[secret.CronSecret] != strings.Repeat("1", 64) {
		t.Error("the container would start with other secrets")
	}
}

// The container and its supervisord are there, and the entry point waits for the database, with the old secrets.
func TestRotateBeforeTheDatabase(t *testing.T) {
	g, _ := guest(t)
	_, s := serve(t, g)
	s.Set("stack-app", containertest.Starting)
	started, databaseIsUp := make(chan struct{}), make(chan struct{})
	s.OnStart = func(program string) {
		if program == "stack-app" {
			close(started)
			<-databaseIsUp
			inForce(t, g)
		}
	}
	rotated := make(chan error, 1)
	go func() { rotated <- Rotate(t.Context(), g, secrets("1")) }()
	<-started
	if env(t, g)[secret.CronSecret] != strings.Repeat("1", 64) {
		t.Error("the entry point was started before the secrets were there")
	}
	select {
	case err := <-rotated:
		t.Fatalf("it has not waited for the database: %v", err)
	default:
	}
	close(databaseIsUp)
	if err := <-rotated; err != nil {
		t.Fatal(err)
	}
}

// A rotation that was killed between any two of its steps is finished by the next one, of the same secrets or of others.
func TestRotateAfterOneThatDied(t *testing.T) {
	for _, state := range []int{containertest.Running, containertest.Stopped} {
		for _, digit := range []string{"1", "2"} {
			g, _ := guest(t)
			_, s := serve(t, g)
			half, err := stackenv.Open(g.Env)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(half.SetSecrets(secrets("1")), half.Close()); err != nil { // killed: the lock is free
				t.Fatal(err)
			}
			s.Set("stack-app", state)
			if err := Rotate(t.Context(), g, secrets(digit)); err != nil {
				t.Fatal(err)
			}
			if s.State("stack-app") != containertest.Running || env(t, g)[secret.CronSecret] != strings.Repeat(digit, 64) {
				t.Errorf("state %d, secrets %q: stack-app is in state %d", state, digit, s.State("stack-app"))
			}
			if _, err := os.Stat(filepath.Join(g.Env.StateDir, "stale")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("services are still stale: %v", err)
			}
		}
	}
}

// Two at once take turns: no restart of one falls into the other, and the last one's secrets are in force.
func TestRotationsTakeTurns(t *testing.T) {
	g, _ := guest(t)
	_, s := serve(t, g)
	var stops, deepest atomic.Int64
	s.OnStop = func(program string) {
		if program == "stack-app" {
			deepest.Store(max(deepest.Load(), stops.Add(1)))
		}
	}
	var inForceNow atomic.Pointer[string]
	s.OnStart = func(program string) {
		if program != "stack-app" {
			return
		}
		stops.Add(-1)
		digest, err := inforce.Digest(g.Env.RunDir)
		if err != nil {
			t.Error(err)
		}
		inForceNow.Store(&digest)
		inforce.Tell(g.Env.RunDir, digest)
	}
	done := make(chan error)
	for _, digit := range []string{"1", "2", "3"} {
		go func() { done <- Rotate(t.Context(), g, secrets(digit)) }()
	}
	if err := errors.Join(<-done, <-done, <-done); err != nil {
		t.Fatal(err)
	}
	digest, err := inforce.Digest(g.Env.RunDir)
	if err != nil || *inForceNow.Load() != digest {
		t.Errorf("in force is not what the files say: %v", err)
	}
	got := map[string]string{}
	for _, name := range secret.Names() {
		got[name] = env(t, g)[name]
	}
	if !maps.Equal(got, secrets(got[secret.CronSecret][:1])) {
		t.Errorf("the secrets are a mixture: %v", got)
	}
	if deepest.Load() != 1 {
		t.Errorf("%d restarts at once", deepest.Load())
	}
}

// A stop of the container in the middle of a rotation lets the next container's start in, which waits for the same lock.
func TestRotateAndTheNextContainer(t *testing.T) {
	g, _ := guest(t)
	c, s := serve(t, g)
	prepared := make(chan error, 1)
	s.OnStart = func(program string) {
		if program == "stack-app" {
			go func() { prepared <- stackenv.Prepare(g.Env) }()
			c.End()
		}
	}
	if err := errors.Join(Rotate(t.Context(), g, secrets("1")), <-prepared); err != nil {
		t.Fatal(err)
	}
	if env(t, g)[secret.CronSecret] != strings.Repeat("1", 64) {
		t.Error("the next container would start with other secrets")
	}
}

// Under docker the container is told by a program of its own, once the secrets are on the disk and in the environment's files.
func TestRotateOnDocker(t *testing.T) {
	g, _ := guest(t)
	d := containertest.OnDocker(t, &g.Container)
	d.Set("running", 7)
	d.Answer(t, `grep -qx "CRON_SECRET=$CRON_SECRET" `+filepath.Join(g.Env.RunDir, stackenv.EnvFile))
	if err := Rotate(t.Context(), g, secrets("1")); err != nil {
		t.Fatal(err)
	}
	if called := d.Called(); !strings.HasPrefix(called, "exec --env=CRON_SECRET ") || strings.Contains(called, secrets("1")[secret.CronSecret]) {
		t.Errorf("called: %q", called)
	}
	if _, err := os.Stat(filepath.Join(g.Env.StateDir, "stale")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("services are still stale: %v", err)
	}
	d.Answer(t, "exit 1")
	if err := Rotate(t.Context(), g, secrets("2")); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(filepath.Join(g.Env.StateDir, "stale")); err != nil {
		t.Errorf("after a failure: %v", err)
	}
}

// One that was made with the old secrets and has not been started is not started.
func TestRotateBetweenCreateAndStart(t *testing.T) {
	for name, change := range map[string]func(g Guest) error{
		"secrets": func(g Guest) error { return Rotate(t.Context(), g, secrets("1")) },
		"ports": func(g Guest) error {
			return Run(t.Context(), g, guestapi.Request{Time: now, Runtime: runtime("30001")}).Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := guest(t)
			d := containertest.OnDocker(t, &g.Container)
			d.Set("created", 0)
			if err := change(g); err != nil || d.Removed() != 1 || d.Called() != "" {
				t.Errorf("%v, removed %d times, called %q", err, d.Removed(), d.Called())
			}
		})
	}
}
