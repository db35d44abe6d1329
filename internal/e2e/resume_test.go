package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/instance"
)

// What must not be the same in two VMs that go on from the same moment.
func TestTwoResumesHaveNothingInCommon(t *testing.T) {
	e := newEmulator(t)
	facts := map[string]func(g *guest) string{
		"published key": func(*guest) string { return e.key() },
		"key in the database": func(g *guest) string {
			return g.sql(`SELECT "publishableClientKey" FROM "ApiKeySet" WHERE id = '3142e763-b230-44b5-8636-aa62f7489c26'`)
		},
		"server key": func(g *guest) string {
			return g.sh(`sed -n s/^STACK_SECRET_SERVER_KEY=//p /run/stack-auth/rotated-secrets.env`)
		},
		"cron secret":            func(g *guest) string { return g.sh(`sed -n s/^CRON_SECRET=//p /run/stack-auth/rotated-secrets.env`) },
		"/dev/urandom":           func(g *guest) string { return g.sh(`od -An -tx1 -N32 /dev/urandom`) },
		"kernel's UUID":          func(g *guest) string { return g.sh(`cat /proc/sys/kernel/random/uuid`) },
		"UUID from the backend":  func(*guest) string { return e.worksWith(e.key()).ProjectID },
		"keys from the backend":  func(*guest) string { return e.worksWith(e.key()).SecretServerKey },
		"random from PostgreSQL": func(g *guest) string { return g.sql(`SELECT gen_random_uuid()`) },
	}
	seen := map[string]string{}
	for n := range 2 {
		g := e.resumed()
		for name, fact := range facts {
			value := fact(g)
			if value == "" || value == seen[name] {
				t.Errorf("%s: %q in resume %d", name, value, n)
			}
			seen[name] = value
		}
		if value := facts["key in the database"](g); value != e.key() {
			t.Errorf("the database has the key %s, and %s is published", value, e.key())
		}
		e.clockIsRight(g)
		g.kill()
		e.reset()
	}
}

// clockIsRight checks that the guest's clock is within a second of ours.
func (e *emulator) clockIsRight(g *guest) {
	e.Helper()
	before := time.Now()
	seconds, err := strconv.ParseFloat(g.sh(`date +%s.%N`), 64)
	if err != nil {
		e.Fatal(err)
	}
	now := time.UnixMicro(int64(seconds * 1e6))
	if now.Before(before.Add(-time.Second)) || now.After(time.Now().Add(time.Second)) {
		e.Errorf("the guest's clock: %v; ours: %v", now, before)
	}
}

// A guest sees the directories that it was given, and nothing else of the host.
func TestMounts(t *testing.T) {
	e := newEmulator(t)
	dirs := t.TempDir()
	mine, theirs := filepath.Join(dirs, "mine"), filepath.Join(dirs, "theirs")
	for _, dir := range []string{mine, theirs} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "from-host"), []byte(dir), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const hosts, guests = "not for guests", "the guest's own"
	secret := filepath.Join(dirs, "secret")
	if err := os.WriteFile(secret, []byte(hosts), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"relative": "../secret", "absolute": secret, "dir": ".."} {
		if err := os.Symlink(to, filepath.Join(mine, link)); err != nil {
			t.Fatal(err)
		}
	}
	mounts := []config.Mount{{Dir: mine}, {Dir: theirs, ReadOnly: true}}
	check := func(g *guest, n int) {
		for _, dir := range []string{mine, theirs} {
			if text := g.inside("cat /host" + dir + "/from-host"); text != dir {
				t.Errorf("%s: the container reads %q", dir, text)
			}
		}
		g.inside(fmt.Sprintf("echo written > /host%s/from-guest-%d", mine, n))
		if text, err := os.ReadFile(filepath.Join(mine, fmt.Sprintf("from-guest-%d", n))); err != nil || string(text) != "written\n" {
			t.Errorf("the guest wrote %q, %v", text, err)
		}
		if out := g.sh("touch /host" + theirs + "/x 2>&1 || true"); !strings.Contains(out, "Read-only") {
			t.Errorf("a read-only mount: %q", out)
		}
		// Symbolic links are the guest's to follow, whoever has made them: they lead to its own files, or to none.
		made := fmt.Sprintf("made-%d", n)
		g.sh(fmt.Sprintf("mkdir -p %s && echo %q > %s && ln -s %s /host%s/%s", dirs, guests, secret, secret, mine, made))
		for link, want := range map[string]string{"absolute": guests, made: guests, "relative": "", "dir/secret": ""} {
			if out := g.sh("cat /host" + mine + "/" + link + " 2>/dev/null || true"); out != want {
				t.Errorf("the link %s leads to %q, want %q", link, out, want)
			}
		}
		// A link that the guest has made is one on the host, too, where programs of the host follow it: see docs/security.md.
		if to, err := os.Readlink(filepath.Join(mine, made)); err != nil || to != secret {
			t.Errorf("the guest's link is %q, %v", to, err)
		}
		if out := g.sh("find /host -xdev -type f"); out != "" {
			t.Errorf("besides the mounts there is: %s", out)
		}
	}
	g := e.resumed(mounts...)
	check(g, 0)
	g.save()
	g = e.resumed(mounts...) // the session, which was saved without them
	check(g, 1)
	g.kill()
	g = e.resumedWith(func(c *config.Config) { c.Mounts, c.NoSnapshot = mounts, true }) // a boot of the disk
	check(g, 2)
	g.kill()
}

// A session knows its ports and secrets, and gets a clock. It is told of other ports, and its links are right again.
func TestSessionGoesOn(t *testing.T) {
	e := newEmulator(t)
	steps := func(g *guest) (names []string) {
		for _, s := range g.refresh.Steps {
			names = append(names, s.Name)
		}
		return names
	}
	g := e.resumed()
	key := e.key()
	g.sh("date -s @1000000000")
	g.save()
	g = e.resumed()
	if got := steps(g); !slices.Equal(got, []string{guestapi.StepClock}) || g.boot.Way != instance.Resume {
		t.Errorf("%v, steps %q", g.boot.Way, got)
	}
	e.clockIsRight(g)
	g.save()

	e.onAnotherPort()
	g = e.resumed()
	if got := steps(g); !slices.Contains(got, guestapi.StepRuntime) || g.boot.Way != instance.Resume {
		t.Errorf("%v, steps %q", g.boot.Way, got)
	}
	link := fmt.Sprintf("NEXT_PUBLIC_STACK_API_URL=http://localhost:%d\n", e.port["BACKEND"])
	if env := g.sh("cat /run/stack-auth/local-emulator.env"); !strings.Contains(env, link) {
		t.Errorf("the guest's environment: %s", env)
	}
	if e.key() != key {
		t.Error("a session has another key")
	}
	e.worksWith(key)
	g.powersOff()
}

// Rotated secrets last: whatever starts again in the guest starts with them.
func TestRotationLasts(t *testing.T) {
	e := newEmulator(t)
	g := e.resumed()
	const servers = `$(grep -l 'server[.]js' /proc/[0-9]*/cmdline | cut -d/ -f3)`
	const gone = `; while kill -0 $old 2>/dev/null; do sleep 0.1; done`
	before := g.inside("cut -d\" \" -f22 /proc/1/stat") // when the container's first process began
	for _, script := range []string{
		"old=" + servers + "; kill -9 $old" + gone,
		"old=" + servers + "; crun --cgroup-manager=disabled kill stack KILL" + gone,
	} {
		g.sh(script)
		g.healthy()
		if mine := e.worksWith(e.key()); mine.ProjectID == "" {
			t.Errorf("after %s: no project", script)
		}
	}
	if after := g.inside("cut -d\" \" -f22 /proc/1/stat"); after == before {
		t.Error("the container was not started again")
	}
	g.kill()
}

// An image that was built elsewhere has none of our tools but the contract's.
func TestRefreshWithoutOurTools(t *testing.T) {
	e := newEmulator(t)
	dir := t.TempDir()
	g := e.resumed(config.Mount{Dir: dir})
	g.sh("cd /usr/local/bin && mv stackguest tools && ln -sf tools trigger-fast-rotate")
	g.sh("umount /host" + dir + " && date -s @1000000000")
	g.sql(`UPDATE "ApiKeySet" SET "publishableClientKey" = 'old' WHERE id = '3142e763-b230-44b5-8636-aa62f7489c26'`)
	_, err := g.boot.Refresh(g.ctx, g.agent)
	g.must(err)
	e.clockIsRight(g)
	g.inside("touch /host" + dir + "/from-guest")
	if _, err := os.Stat(filepath.Join(dir, "from-guest")); err != nil {
		t.Error(err)
	}
	g.healthy()
	e.worksWith(e.key())
	g.kill()
}

// With rotation switched off everybody knows the secrets, and the user is told.
func TestNoRotation(t *testing.T) {
	e := newEmulator(t)
	c := e.up("EMULATOR_NO_ROTATION=1")
	if !strings.Contains(c.Stdout(), "THE SECRETS OF THIS INSTANCE ARE THE PUBLIC ONES") {
		t.Error("no warning")
	}
	if _, code := e.project(placeholderKey, appFile); code != 200 {
		t.Errorf("the placeholder key: %d", code)
	}
	if key := e.read("internal-pck"); key != "" {
		t.Errorf("a key is published: %s", key)
	}
	e.stop(c)
	again := e.up() // of its session, which has public secrets
	if _, code := e.project(placeholderKey, appFile); code != 401 {
		t.Errorf("the placeholder key after a start with rotation: %d", code)
	}
	e.worksWith(e.key())
	e.stop(again)
}
