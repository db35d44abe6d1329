package stackenv

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/secret"
)

// secrets returns four secrets made of one digit.
func secrets(digit string) map[string]string {
	set := map[string]string{}
	for _, name := range secret.Names() {
		set[name] = strings.Repeat(digit, 64)
	}
	return set
}

func capture(t *testing.T) Paths {
	t.Helper()
	return guestPaths(t, map[string]string{"runtime.env": BackendPort + "=26701\n", "base.env": "A=1\n"}, BuildSnapshot+"=1\n")
}

func prepare(t *testing.T, p Paths) {
	t.Helper()
	if err := Prepare(p); err != nil {
		t.Fatal(err)
	}
}

// with opens the guest for one change and says afterwards whether services are stale.
func with(t *testing.T, p Paths, change func(*Guest) error) (stale bool) {
	t.Helper()
	g, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := change(g); err != nil {
		t.Fatal(err)
	}
	if stale, err = g.Stale(); err != nil {
		t.Fatal(err)
	}
	return stale
}

func read(t *testing.T, path string) envfile.Vars {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("%s: %v, %v, want mode 0600", path, info, err)
	}
	vars, err := envfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return vars
}

// hasSecrets checks both files that the container sees, and the one that lasts.
func hasSecrets(t *testing.T, p Paths, want map[string]string) {
	t.Helper()
	rotated := filepath.Join(p.RunDir, RotatedFile)
	for _, path := range []string{p.env(), rotated, filepath.Join(p.KeyDir, RotatedFile)} {
		vars := read(t, path)
		for name, value := range want {
			if vars[name] != value {
				t.Errorf("%s: %s = %q, want %q", path, name, vars[name], value)
			}
		}
	}
	vars := read(t, rotated)
	for mirror, source := range map[string]string{
		"NEXT_PUBLIC_STACK_PUBLISHABLE_CLIENT_KEY": secret.PublishableClientKey,
		"STACK_SECRET_SERVER_KEY":                  secret.SecretServerKey, "STACK_SUPER_SECRET_ADMIN_KEY": secret.SuperSecretAdminKey,
	} {
		if vars[mirror] != want[source] {
			t.Errorf("%s = %q, want %q", mirror, vars[mirror], want[source])
		}
	}
}

func TestRotatedSecretsLast(t *testing.T) {
	for name, boot := range map[string]func(Paths){
		"the container starts again": func(Paths) {},
		"the guest starts again":     func(p Paths) { forget(t, p) },
	} {
		t.Run(name, func(t *testing.T) {
			p := capture(t)
			prepare(t, p)
			for _, digit := range []string{"1", "2"} {
				if !with(t, p, func(g *Guest) error { return g.SetSecrets(secrets(digit)) }) {
					t.Error("services that run with old secrets are not stale")
				}
				hasSecrets(t, p, secrets(digit))
				boot(p)
				prepare(t, p)
				hasSecrets(t, p, secrets(digit))
			}
			if with(t, p, func(*Guest) error { return nil }) {
				t.Error("stale before anything runs")
			}
		})
	}
}

// forget does what a power cycle does to files in RAM.
func forget(t *testing.T, p Paths) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(p.RunDir), os.RemoveAll(p.StateDir)); err != nil {
		t.Fatal(err)
	}
}

func TestSecretsBeforeTheContainerStarts(t *testing.T) {
	p := capture(t)
	with(t, p, func(g *Guest) error {
		return errors.Join(g.SetRuntime(envfile.Vars{BackendPort: "30001"}), g.SetSecrets(secrets("3")))
	})
	if _, err := os.Stat(p.env()); !os.IsNotExist(err) {
		t.Errorf("an environment without base.env was written: %v", err)
	}
	prepare(t, p)
	hasSecrets(t, p, secrets("3"))
	if env := read(t, p.env()); env["A"] != "1" || env["NEXT_PUBLIC_STACK_API_URL"] != "http://localhost:30001" {
		t.Errorf("environment = %v, want base.env of the disk and the host's port", env)
	}
}

func TestSetSecretsTouchesNothingOnRefusal(t *testing.T) {
	p := capture(t)
	prepare(t, p)
	before := snapshot(t, p)
	bad := map[string]map[string]string{"none": {}, "one too many": secrets("1")}
	bad["one too many"]["PATH"] = strings.Repeat("1", 64)
	for _, name := range secret.Names() {
		for _, value := range []string{"", strings.Repeat("1", 63), strings.Repeat("1", 65), strings.Repeat("1", 63) + "\n", strings.Repeat("G", 64)} {
			set := secrets("1")
			set[name] = value
			bad[name+value] = set
		}
	}
	for _, set := range bad {
		g, err := Open(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.SetSecrets(set); !errors.Is(err, secret.ErrFormat) {
			t.Errorf("%v: err = %v, want ErrFormat", set, err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if after := snapshot(t, p); !maps.Equal(before, after) {
		t.Errorf("files have changed:\n%v\n%v", before, after)
	}
}

// snapshot returns the content of all files of a guest.
func snapshot(t *testing.T, p Paths) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, dir := range []string{p.KeyDir, p.RunDir, p.StateDir} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all[path] = string(data)
		}
	}
	return all
}

// A change that was killed between any two of its writes is finished by the next one, whatever its values.
func TestHalfwayDeaths(t *testing.T) {
	for _, next := range []string{"1", "2"} {
		whole := capture(t)
		prepare(t, whole)
		with(t, whole, func(g *Guest) error { return g.SetSecrets(secrets("1")) })
		written := []string{
			filepath.Join(whole.KeyDir, RotatedFile), filepath.Join(whole.StateDir, staleFile), whole.env(),
			filepath.Join(whole.RunDir, RotatedFile),
		}
		for n := range written {
			p := capture(t)
			prepare(t, p)
			for _, path := range written[:n] {
				copyFile(t, path, strings.Replace(path, filepath.Dir(whole.KeyDir), filepath.Dir(p.KeyDir), 1))
			}
			if !with(t, p, func(g *Guest) error { return g.SetSecrets(secrets(next)) }) {
				t.Errorf("after %d writes: services are not stale", n)
			}
			hasSecrets(t, p, secrets(next))
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestSetRuntime(t *testing.T) {
	p := capture(t)
	prepare(t, p)
	for _, step := range []struct {
		runtime envfile.Vars
		stale   bool
	}{
		{envfile.Vars{BackendPort: "26701"}, false}, // as the disk has it
		{envfile.Vars{BackendPort: "30001"}, true},
		{envfile.Vars{BackendPort: "30001"}, true}, // still: nothing has restarted the services
	} {
		if stale := with(t, p, func(g *Guest) error { return g.SetRuntime(step.runtime) }); stale != step.stale {
			t.Errorf("%v: stale = %v", step.runtime, stale)
		}
	}
	if with(t, p, func(g *Guest) error {
		return errors.Join(g.MarkFresh(), g.SetRuntime(envfile.Vars{BackendPort: "30001"}))
	}) {
		t.Error("the same again makes services stale")
	}
	prepare(t, p) // the container starts again: the disk is not asked
	env := read(t, p.env())
	if env["NEXT_PUBLIC_STACK_API_URL"] != "http://localhost:30001" || env["A"] != "1" {
		t.Errorf("environment = %v", env)
	}
	forget(t, p) // a boot reads the disk, which is this instance's
	prepare(t, p)
	if got := read(t, p.env())["NEXT_PUBLIC_STACK_API_URL"]; got != "http://localhost:26701" {
		t.Errorf("after a boot the API is at %s", got)
	}
}

func TestSetRuntimeRefuses(t *testing.T) {
	p := capture(t)
	prepare(t, p)
	before := snapshot(t, p)
	for _, runtime := range []envfile.Vars{{BackendPort: "x"}, {"A": "1\nB=2"}, {"A B": "1"}} {
		g, err := Open(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.SetRuntime(runtime); err == nil {
			t.Errorf("%q: no error", runtime)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if after := snapshot(t, p); !maps.Equal(before, after) {
		t.Errorf("files have changed:\n%v\n%v", before, after)
	}
}

func TestDamagedRotatedSecrets(t *testing.T) {
	p := capture(t)
	prepare(t, p)
	with(t, p, func(g *Guest) error { return g.SetSecrets(secrets("1")) })
	if err := os.WriteFile(filepath.Join(p.KeyDir, RotatedFile), []byte(secret.CronSecret+"=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Prepare(p); !errors.Is(err, secret.ErrFormat) {
		t.Errorf("err = %v, want ErrFormat: a damaged key must not be replaced in silence", err)
	}
	with(t, p, func(g *Guest) error { return g.SetSecrets(secrets("2")) })
	hasSecrets(t, p, secrets("2"))
}

// Only one process at a time holds the environment.
func TestOpenTakesTurns(t *testing.T) {
	p := capture(t)
	first, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	turns := make(chan string, 2)
	done := make(chan error)
	go func() {
		second, err := Open(p)
		turns <- "second"
		if err == nil {
			err = second.Close()
		}
		done <- err
	}()
	if err := first.SetSecrets(secrets("1")); err != nil {
		t.Fatal(err)
	}
	turns <- "first"
	if err := errors.Join(first.Close(), <-done); err != nil {
		t.Fatal(err)
	}
	if order := []string{<-turns, <-turns}; !slices.Equal(order, []string{"first", "second"}) {
		t.Errorf("order = %v", order)
	}
}
