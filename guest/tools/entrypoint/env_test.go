package entrypoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	environ := []string{"A=process", "B=process", "C=process", secret.PublishableClientKey + "=old"}
	write(stackenv.EnvFile, "B=file\nC=file\nNEXT_PUBLIC_STACK_PORT_PREFIX=82\n")
	write(stackenv.RotatedFile, fmt.Sprintf("C=overlay\n%s=new\n", secret.PublishableClientKey))
	env, err := LoadEnv(environ, dir)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"A": "process", "B": "file", "C": "overlay", "BACKEND_PORT": "8202", "DASHBOARD_PORT": "8201",
		"NEXT_PUBLIC_STACK_PUBLISHABLE_CLIENT_KEY": "new", "NEXT_PUBLIC_STACK_PROJECT_ID": "internal",
		"NEXT_PUBLIC_STACK_API_URL": "http://localhost:8202",
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
