package entrypoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/secret"
	"github.com/stackemu/stackemu/guest/tools/stackenv"
)

func TestLoadEnv(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environ := []string{"STACK_SVIX_SERVER_URL=http://svix", "A=process", "B=process", "C=process", secret.PublishableClientKey + "=old"}
	write(stackenv.EnvFile, "B=file\nC=file\nNEXT_PUBLIC_STACK_PORT_PREFIX=82\n")
	write(stackenv.RotatedFile, fmt.Sprintf("C=overlay\n%s=new\n", secret.PublishableClientKey))
	env, err := LoadEnv(environ, dir)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"A": "process", "B": "file", "C": "overlay", "BACKEND_PORT": "8202", "DASHBOARD_PORT": "8201",
		"NEXT_PUBLIC_STACK_PUBLISHABLE_CLIENT_KEY": "new", "NEXT_PUBLIC_STACK_PROJECT_ID": "internal",
		"NEXT_PUBLIC_STACK_API_URL": "http://localhost:8202", "NEXT_PUBLIC_BROWSER_STACK_API_URL": "http://localhost:8202",
		"NEXT_PUBLIC_SERVER_STACK_API_URL": "http://127.0.0.1:8202", "NEXT_PUBLIC_SERVER_STACK_DASHBOARD_URL": "http://127.0.0.1:8201",
		"NEXT_PUBLIC_STACK_SVIX_SERVER_URL": "http://svix", "STACK_OAUTH_MOCK_URL": "http://localhost:8214",
	} {
		if env[key] != want {
			t.Errorf("%s = %q, want %q", key, env[key], want)
		}
	}
	write(stackenv.RotatedFile, "broken\n")
	if _, err := LoadEnv(environ, dir); !errors.Is(err, envfile.ErrSyntax) {
		t.Errorf("err = %v, want ErrSyntax", err)
	}
}

func TestWanted(t *testing.T) {
	for _, test := range []struct {
		env  envfile.Vars
		want bool
	}{
		{nil, true}, {envfile.Vars{"STACK_SKIP_MIGRATIONS": "true"}, false}, {envfile.Vars{"STACK_RUN_MIGRATIONS": "false"}, false},
		{envfile.Vars{"STACK_SKIP_SEED_SCRIPT": "true"}, true}, {envfile.Vars{"STACK_SKIP_MIGRATIONS": "false"}, true},
	} {
		if got := wanted(test.env, "MIGRATIONS"); got != test.want {
			t.Errorf("%v: %v", test.env, got)
		}
	}
}

// Keys that a stack lacks are random, unless it is an emulator, whose keys the host gives.
func TestMint(t *testing.T) {
	given := strings.Repeat("a", 64)
	emulator := envfile.Vars{"NEXT_PUBLIC_STACK_IS_LOCAL_EMULATOR": "true"}
	mint(emulator)
	if len(emulator) != 1 {
		t.Errorf("an emulator got %v", emulator)
	}
	first, second := envfile.Vars{secret.SecretServerKey: given}, envfile.Vars{}
	mint(first)
	mint(second)
	if first[secret.SecretServerKey] != given {
		t.Error("a key that was given is another one")
	}
	for _, name := range []string{secret.PublishableClientKey, secret.SuperSecretAdminKey} {
		if err := secret.Check(name, first[name]); err != nil || first[name] == second[name] {
			t.Errorf("%s: %v", name, err)
		}
	}
	if first["NEXT_PUBLIC_STACK_PUBLISHABLE_CLIENT_KEY"] != first[secret.PublishableClientKey] || first["STACK_SECRET_SERVER_KEY"] != given {
		t.Errorf("the mirrors: %v", first)
	}
}
