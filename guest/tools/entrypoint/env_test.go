package entrypoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/guest/tools/database"
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

// Ports and addresses that are given count, and what follows from them follows.
func TestLoadEnvOfWhatIsGiven(t *testing.T) {
	environ := []string{"NEXT_PUBLIC_STACK_PORT_PREFIX=90", "BACKEND_PORT=7000", "NEXT_PUBLIC_BROWSER_STACK_API_URL=https://api",
		"STACK_SVIX_SERVER_URL=http://svix", "NEXT_PUBLIC_STACK_SVIX_SERVER_URL=http://outside"}
	env, err := LoadEnv(environ, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"BACKEND_PORT": "7000", "DASHBOARD_PORT": "9001", "NEXT_PUBLIC_STACK_API_URL": "http://localhost:7000",
		"NEXT_PUBLIC_BROWSER_STACK_API_URL": "https://api", "NEXT_PUBLIC_SERVER_STACK_API_URL": "http://127.0.0.1:7000",
		"NEXT_PUBLIC_STACK_SVIX_SERVER_URL": "http://outside", "STACK_OAUTH_MOCK_URL": "http://localhost:9014",
	} {
		if env[key] != want {
			t.Errorf("%s = %q, want %q", key, env[key], want)
		}
	}
}

// Keys that a stack lacks are random, unless it is an emulator, whose keys the host gives.
func TestInternalKeys(t *testing.T) {
	emulator := envfile.Vars(secret.Placeholders())
	emulator["NEXT_PUBLIC_STACK_IS_LOCAL_EMULATOR"] = "true"
	if keys, err := internalKeys(emulator); err != nil || keys == nil || keys.SecretServer != emulator[secret.SecretServerKey] {
		t.Errorf("an emulator's: %v, %v", keys, err)
	}
	given := strings.Repeat("a", 64)
	first, second := envfile.Vars{secret.SecretServerKey: given}, envfile.Vars{"NEXT_PUBLIC_STACK_IS_LOCAL_EMULATOR": "false"}
	for _, env := range []envfile.Vars{first, second} {
		if keys, err := internalKeys(env); keys != nil || err != nil {
			t.Errorf("keys of no emulator: %v, %v", keys, err)
		}
	}
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

// The page says which variables there are, and what holds without them.
func TestPageOfTheVariables(t *testing.T) {
	text, err := os.ReadFile("../../../docs/guest-contract.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n### The entry point of the product's servers\n")
	section, _, _ = strings.Cut(section, "\n### ")
	env, err := LoadEnv(nil, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name := range env {
		if !strings.Contains(section, "`"+name+"`") {
			t.Errorf("the page does not have %s", name)
		}
	}
	env["STACK_RUNTIME_WORK_DIR"], env["STACK_DATABASE_CONNECTION_STRING"] = defaultWorkDir, database.DefaultURL
	code := regexp.MustCompile("`[^`]+`")
	checked := 0
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) == 5 {
			names, defaults := code.FindAllString(cells[1], -1), code.FindAllString(cells[2], -1)
			for n, name := range names[:min(len(names), len(defaults))] {
				want := strings.ReplaceAll(strings.Trim(defaults[n], "`"), "<prefix>", "81")
				if have, filled := env[strings.Trim(name, "`")]; filled && have != want {
					t.Errorf("%s is %q without being set, the page says %q", name, have, want)
				} else if filled {
					checked++
				}
			}
		}
	}
	if checked != len(env) {
		t.Errorf("the page has the defaults of %d variables, want %d", checked, len(env))
	}
}
