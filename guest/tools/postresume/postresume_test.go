package postresume

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/guest/tools/containertest"
	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/inforce"
	"github.com/stackemu/stackemu/guest/tools/secret"
	"github.com/stackemu/stackemu/guest/tools/stackenv"
	"github.com/stackemu/stackemu/internal/guestapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// fakeClock stands still.
type fakeClock struct {
	now  time.Time
	sets int
	err  error
}

func (c *fakeClock) Now() time.Time { return c.now }

func (c *fakeClock) Set(t time.Time) error {
	c.sets++
	if c.err == nil {
		c.now = t
	}
	return c.err
}

// guest makes a guest that has booted from an image that is to be captured, with a clock that is a day behind. Its random pool
// takes nothing.
func guest(t *testing.T) (Guest, *fakeClock) {
	t.Helper()
	l := containertest.Layout(t)
	dir := filepath.Dir(l.RunDir)
	clock := &fakeClock{now: now.Add(-24 * time.Hour)}
	g := Guest{Container: l, Random: dir + "/random", Clock: clock, Env: stackenv.Paths{SysBlock: dir + "/sys", Dev: dir + "/dev",
		BuildEnv: dir + "/build.env", KeyDir: dir + "/keys", RunDir: l.RunDir, StateDir: dir + "/state"}}
	write(t, g.Env.BuildEnv, stackenv.BuildSnapshot+"=1\n")
	write(t, g.Random, "")
	if err := os.Mkdir(g.Env.SysBlock, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := stackenv.Prepare(g.Env); err != nil {
		t.Fatal(err)
	}
	return g, clock
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serve starts the container of a guest. Each stack-app that starts takes the environment that is there then.
func serve(t *testing.T, g Guest) (*containertest.Container, *containertest.Supervisord) {
	t.Helper()
	c := containertest.Start(t, g.Container)
	s := containertest.NewSupervisord("stack-app", "cron-jobs")
	s.OnStart = func(program string) {
		if program == "stack-app" {
			inForce(t, g)
		}
	}
	s.Listen(t, c.Socket)
	return c, s
}

func inForce(t *testing.T, g Guest) {
	digest, err := inforce.Digest(g.Env.RunDir)
	if err != nil {
		t.Error(err)
	}
	inforce.Tell(g.Env.RunDir, digest)
}

// secrets returns four secrets made of one digit.
func secrets(digit string) map[string]string {
	set := map[string]string{}
	for _, name := range secret.Names() {
		set[name] = strings.Repeat(digit, 64)
	}
	return set
}

func runtime(port string) map[string]string { return map[string]string{stackenv.BackendPort: port} }

// run answers a request and gives the names of the steps.
func run(t *testing.T, g Guest, req guestapi.Request) ([]string, error) {
	t.Helper()
	result := Run(t.Context(), g, req)
	var names []string
	for _, step := range result.Steps {
		names = append(names, step.Name)
	}
	return names, result.Err()
}

func env(t *testing.T, g Guest) envfile.Vars {
	t.Helper()
	vars, err := envfile.Read(filepath.Join(g.Env.RunDir, stackenv.EnvFile))
	if err != nil {
		t.Fatal(err)
	}
	return vars
}

// A resume from a snapshot: everything at once, the services restarted once, and all of it again.
func TestRun(t *testing.T) {
	g, clock := guest(t)
	_, s := serve(t, g)
	req := guestapi.Request{Time: now, Runtime: runtime("30001"), Secrets: secrets("1")}
	for n := 1; n <= 2; n++ {
		names, err := run(t, g, req)
		if err != nil || !slices.Equal(names, []string{guestapi.StepClock, guestapi.StepRuntime, guestapi.StepRotation}) {
			t.Fatalf("steps = %q, %v", names, err)
		}
		if calls := s.Calls("stack-app"); len(calls) != 2*n {
			t.Errorf("run %d: calls = %q, want one restart", n, calls)
		}
		vars := env(t, g)
		if vars[secret.CronSecret] != strings.Repeat("1", 64) || vars["NEXT_PUBLIC_STACK_API_URL"] != "http://localhost:30001" {
			t.Errorf("environment = %v", vars)
		}
	}
	if !clock.now.Equal(now) || clock.sets != 1 {
		t.Errorf("the clock is %v and was set %d times", clock.now, clock.sets)
	}
}

// A session that resumes: the guest is what it was, and no service is touched unless its ports are others.
func TestRunRestartsOnlyWhatIsStale(t *testing.T) {
	g, _ := guest(t)
	_, s := serve(t, g)
	for _, step := range []struct {
		port  string
		calls int
	}{{"30001", 2}, {"30001", 2}, {"30002", 4}} {
		if names, err := run(t, g, guestapi.Request{Time: now, Runtime: runtime(step.port)}); err != nil || len(names) != 2 {
			t.Fatalf("steps = %q, %v", names, err)
		}
		if calls := s.Calls("stack-app"); len(calls) != step.calls {
			t.Errorf("port %s: calls = %q, want %d", step.port, calls, step.calls)
		}
	}
}

func TestRunOfTheLeast(t *testing.T) {
	g, _ := guest(t)
	_, s := serve(t, g)
	if names, err := run(t, g, guestapi.Request{Time: now}); err != nil || !slices.Equal(names, []string{guestapi.StepClock}) {
		t.Errorf("steps = %q, %v", names, err)
	}
	if calls := s.Calls("stack-app"); len(calls) > 0 {
		t.Errorf("calls = %q", calls)
	}
}

// A request that is wrong as a whole touches nothing, wherever it is wrong.
func TestRunRefuses(t *testing.T) {
	short := secrets("1")
	short[secret.CronSecret] = "1"
	three := secrets("1")
	delete(three, secret.CronSecret)
	mount := func(tag, path string) []guestapi.Mount {
		return []guestapi.Mount{{Tag: "ok", Path: "HOST/ok"}, {Tag: tag, Path: path}}
	}
	for name, test := range map[string]struct {
		step string
		req  guestapi.Request
	}{
		"no time":             {guestapi.StepClock, guestapi.Request{Secrets: secrets("1")}},
		"no port":             {guestapi.StepRuntime, guestapi.Request{Time: now, Runtime: runtime("0"), Secrets: secrets("1")}},
		"a line break":        {guestapi.StepRuntime, guestapi.Request{Time: now, Runtime: map[string]string{"A": "1\nB=2"}}},
		"no key":              {guestapi.StepRuntime, guestapi.Request{Time: now, Runtime: map[string]string{"": "1"}}},
		"a path elsewhere":    {guestapi.StepMounts, guestapi.Request{Time: now, Mounts: mount("tag", "/etc"), Secrets: secrets("1")}},
		"no tag":              {guestapi.StepMounts, guestapi.Request{Time: now, Mounts: mount("", "HOST/a")}},
		"two on one path":     {guestapi.StepMounts, guestapi.Request{Time: now, Mounts: mount("tag", "HOST/ok")}},
		"a secret of no form": {guestapi.StepRotation, guestapi.Request{Time: now, Runtime: runtime("30001"), Secrets: short}},
		"three secrets":       {guestapi.StepRotation, guestapi.Request{Time: now, Runtime: runtime("30001"), Secrets: three}},
	} {
		t.Run(name, func(t *testing.T) {
			g, clock := guest(t)
			_, s := serve(t, g)
			for i := range test.req.Mounts {
				test.req.Mounts[i].Path = strings.Replace(test.req.Mounts[i].Path, "HOST", g.Container.HostDir, 1)
			}
			test.req.Entropy = []byte("x")
			before := files(t, g)
			names, err := run(t, g, test.req)
			if err == nil || !slices.Equal(names, []string{test.step}) {
				t.Errorf("steps = %q, %v, want an error of %s", names, err, test.step)
			}
			if err != nil && strings.Contains(err.Error(), strings.Repeat("1", 64)) {
				t.Errorf("the error gives a secret away: %v", err)
			}
			if after := files(t, g); !maps.Equal(before, after) || clock.sets > 0 || len(s.Calls("stack-app")) > 0 {
				t.Error("something was touched")
			}
		})
	}
}

// files is all that is in the directories of a guest.
func files(t *testing.T, g Guest) map[string]string {
	t.Helper()
	all := map[string]string{}
	root := filepath.Dir(g.Env.RunDir)
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			all[path] = ""
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The first failure ends it, and a later run goes on from there.
func TestRunStopsAtTheFirstFailure(t *testing.T) {
	failure := errors.New("the clock is stuck")
	whole := guestapi.Request{Time: now, Runtime: runtime("30001"), Secrets: secrets("1")}
	for _, test := range []struct {
		step  string
		spoil func(*Guest, *fakeClock, *containertest.Supervisord, *guestapi.Request)
		steps []string
	}{
		{guestapi.StepClock, func(_ *Guest, c *fakeClock, _ *containertest.Supervisord, _ *guestapi.Request) {
			c.err = failure
		},
			[]string{guestapi.StepClock}},
		{guestapi.StepEntropy, func(_ *Guest, _ *fakeClock, _ *containertest.Supervisord, r *guestapi.Request) {
			r.Entropy = []byte("not for an ordinary file")
		}, []string{guestapi.StepClock, guestapi.StepEntropy}},
		{guestapi.StepRuntime, func(g *Guest, _ *fakeClock, _ *containertest.Supervisord, _ *guestapi.Request) {
			g.Env.StateDir += "/lock"
		}, []string{guestapi.StepClock, guestapi.StepRuntime}},
		{guestapi.StepMounts, func(g *Guest, _ *fakeClock, _ *containertest.Supervisord, r *guestapi.Request) {
			g.Container.HostDir = g.Random // no directory
			r.Mounts = []guestapi.Mount{{Tag: "tag", Path: g.Random + "/a"}}
		}, []string{guestapi.StepClock, guestapi.StepRuntime, guestapi.StepMounts}},
		{guestapi.StepRotation, func(_ *Guest, _ *fakeClock, s *containertest.Supervisord, _ *guestapi.Request) {
			s.Refuse(containertest.BadName)
		}, []string{guestapi.StepClock, guestapi.StepRuntime, guestapi.StepRotation}},
	} {
		t.Run(test.step, func(t *testing.T) {
			good, clock := guest(t)
			_, s := serve(t, good)
			g, req := good, whole
			test.spoil(&g, clock, s, &req)
			names, err := run(t, g, req)
			if err == nil || !strings.HasPrefix(err.Error(), test.step+": ") || !slices.Equal(names, test.steps) {
				t.Fatalf("steps = %q, %v, want an error of the last of %q", names, err, test.steps)
			}
			if rotated := env(t, good)[secret.CronSecret] == strings.Repeat("1", 64); rotated != (test.step == guestapi.StepRotation) {
				t.Errorf("the secrets are rotated: %v", rotated)
			}
			clock.err = nil
			s.Refuse(0)
			before := len(s.Calls("stack-app"))
			if _, err := run(t, good, whole); err != nil {
				t.Fatal(err)
			}
			if calls := s.Calls("stack-app")[before:]; len(calls) != 2 || env(t, good)[secret.CronSecret] != strings.Repeat("1", 64) {
				t.Errorf("the second try: calls = %q, environment %v", calls, env(t, good))
			}
		})
	}
}

// Where a restart for other ports has failed, the next run makes up for it, though it finds the ports as they should be.
func TestAFailedRestartIsMadeUpFor(t *testing.T) {
	g, _ := guest(t)
	_, s := serve(t, g)
	s.Refuse(containertest.BadName)
	req := guestapi.Request{Time: now, Runtime: runtime("30001")}
	if _, err := run(t, g, req); err == nil {
		t.Fatal("no error")
	}
	s.Refuse(0)
	before := len(s.Calls("stack-app"))
	if _, err := run(t, g, req); err != nil {
		t.Fatal(err)
	}
	if calls := s.Calls("stack-app")[before:]; !slices.Equal(calls, []string{"stopProcess", "startProcess"}) {
		t.Errorf("calls = %q", calls)
	}
}

func TestSetClock(t *testing.T) {
	for _, test := range []struct {
		guest time.Duration // ahead of the host
		set   bool
	}{
		{0, false}, {-behind, false}, {-behind - 1, true}, {ahead, false}, {ahead + 1, true},
		{-time.Hour, true}, {time.Hour, true},
	} {
		clock := &fakeClock{now: now.Add(test.guest)}
		if err := setClock(clock, now); err != nil || (clock.sets == 1) != test.set || test.set && !clock.now.Equal(now) {
			t.Errorf("%v ahead: set = %v, now %v, %v", test.guest, clock.sets, clock.now, err)
		}
	}
}

func TestAddEntropy(t *testing.T) {
	if err := addEntropy(filepath.Join(t.TempDir(), "absent"), []byte("x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no device: %v", err)
	}
	err := addEntropy("/dev/urandom", []byte(strings.Repeat("x", 64)))
	if errors.Is(err, os.ErrPermission) {
		t.Skip("only root may credit entropy")
	}
	if err != nil {
		t.Error(err)
	}
}
