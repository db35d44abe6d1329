package stackenv

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/secret"
	"github.com/stackemu/stackemu/internal/iso"
)

func TestRender(t *testing.T) {
	env, err := Render(Inputs{
		Base:    envfile.Vars{"STACK_SETTING": "x", "STACK_EMULATOR_BACKEND_HOST_PORT": "1"},
		Runtime: envfile.Vars{PortPrefix: "82", DashboardPort: "26700", BackendPort: "26701", MinioPort: "26702", "STACK_EMULATOR_VM_DIR_HOST": ""},
		Secrets: secret.Placeholders(),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := envfile.Vars(secret.Placeholders())
	want.Merge(envfile.Vars{
		"STACK_SETTING": "x", PortPrefix: "82", DashboardPort: "26700", BackendPort: "26701", MinioPort: "26702", "STACK_EMULATOR_VM_DIR_HOST": "",
		"NEXT_PUBLIC_STACK_IS_LOCAL_EMULATOR":     "true",
		"NEXT_PUBLIC_STACK_PORT_PREFIX":           "82",
		"NEXT_PUBLIC_STACK_API_URL":               "http://localhost:26701",
		"NEXT_PUBLIC_BROWSER_STACK_API_URL":       "http://localhost:26701",
		"NEXT_PUBLIC_SERVER_STACK_API_URL":        "http://127.0.0.1:8202",
		"NEXT_PUBLIC_STACK_DASHBOARD_URL":         "http://localhost:26700",
		"NEXT_PUBLIC_BROWSER_STACK_DASHBOARD_URL": "http://localhost:26700",
		"NEXT_PUBLIC_SERVER_STACK_DASHBOARD_URL":  "http://127.0.0.1:8201",
		"STACK_S3_PUBLIC_ENDPOINT":                "http://localhost:26702",
		"NEXT_PUBLIC_STACK_INBUCKET_WEB_URL":      "http://localhost:9001",
	})
	if !maps.Equal(env, want) {
		t.Errorf("Render = %v\nwant %v", env, want)
	}
}

func TestRenderDefaults(t *testing.T) {
	env, err := Render(Inputs{Secrets: secret.Placeholders()})
	if err != nil {
		t.Fatal(err)
	}
	if got := env["NEXT_PUBLIC_STACK_API_URL"]; got != "http://localhost:8102" {
		t.Errorf("API URL without settings = %q", got)
	}
}

func TestRenderSettingsCannotBringSecrets(t *testing.T) {
	mine := strings.Repeat("1", 64)
	env, err := Render(Inputs{
		Base:    envfile.Vars{secret.CronSecret: mine},
		Runtime: envfile.Vars{secret.SecretServerKey: mine, "NEXT_PUBLIC_STACK_API_URL": "http://elsewhere"},
		Secrets: secret.Placeholders(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range env {
		if value == mine || value == "http://elsewhere" {
			t.Errorf("%s=%s came from a settings file", key, value)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, bad := range []envfile.Vars{
		{PortPrefix: "x"}, {PortPrefix: "1"}, {PortPrefix: "655"}, {PortPrefix: "081"}, {PortPrefix: "+81"}, {PortPrefix: "81 "},
		{DashboardPort: "0"}, {DashboardPort: "65536"}, {BackendPort: "http"}, {BackendPort: "80/x"}, {MinioPort: "-1"},
		{InbucketPort: "1e3"},
	} {
		_, err := Render(Inputs{Runtime: bad, Secrets: secret.Placeholders()})
		for name, value := range bad {
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), value) {
				t.Errorf("%s=%q: err = %v, want one that names both", name, value, err)
			}
		}
	}
	if _, err := Render(Inputs{}); err == nil {
		t.Error("Render without secrets gave no error")
	}
}

func (p Paths) env() string { return filepath.Join(p.RunDir, EnvFile) }

// guestPaths makes the places of a guest in a directory, with a config disk of files.
func guestPaths(t *testing.T, files map[string]string, build string) Paths {
	t.Helper()
	dir := t.TempDir()
	p := Paths{SysBlock: dir + "/sys", Dev: dir + "/dev", BuildEnv: dir + "/build.env", KeyDir: dir + "/keys",
		RunDir: dir + "/run", StateDir: dir + "/state"}
	for _, made := range []string{p.SysBlock + "/vdd", p.Dev} {
		if err := os.MkdirAll(made, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	content := map[string][]byte{}
	for name, text := range files {
		content[name] = []byte(text)
	}
	if files != nil {
		if err := iso.Write(filepath.Join(p.Dev, "vdd"), "STACKCFG", content); err != nil {
			t.Fatal(err)
		}
	}
	if build != "" {
		if err := os.WriteFile(p.BuildEnv, []byte(build), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestPrepareForACapture(t *testing.T) {
	p := guestPaths(t, map[string]string{"runtime.env": BackendPort + "=26701\n", "base.env": "A=1\r\n"}, BuildSnapshot+"=1\n")
	if err := Prepare(p); err != nil {
		t.Fatal(err)
	}
	env, err := envfile.Read(p.env())
	if err != nil {
		t.Fatal(err)
	}
	for name, placeholder := range secret.Placeholders() {
		if env[name] != placeholder {
			t.Errorf("%s = %q, want the placeholder", name, env[name])
		}
	}
	if env["A"] != "1" || env["NEXT_PUBLIC_STACK_API_URL"] != "http://localhost:26701" {
		t.Errorf("the files of the disk are not in: %v", env)
	}
	if kept, err := os.ReadDir(p.KeyDir); err != nil || len(kept) > 0 {
		t.Errorf("a capture made keys on disk: %v, %v", kept, err)
	}
}

func TestPrepareKeepsMintedKeys(t *testing.T) {
	p := guestPaths(t, nil, "") // without a config disk, too
	var first envfile.Vars
	for range 2 {
		if err := Prepare(p); err != nil {
			t.Fatal(err)
		}
		env, err := envfile.Read(p.env())
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = env
		}
		if !maps.Equal(first, env) {
			t.Errorf("the second time the environment is another:\n%v\n%v", first, env)
		}
	}
	for name, placeholder := range secret.Placeholders() {
		if first[name] == placeholder {
			t.Errorf("%s is the placeholder", name)
		}
	}
}

func TestPrepareRefusesABadDisk(t *testing.T) {
	for _, files := range []map[string]string{
		{"runtime.env": "no assignment\n"}, {"base.env": "A B=1\n"}, {"runtime.env": BackendPort + "=0\n"},
	} {
		p := guestPaths(t, files, "")
		if err := Prepare(p); err == nil {
			t.Errorf("%v: no error", files)
		}
		if _, err := os.Stat(p.env()); !os.IsNotExist(err) {
			t.Errorf("%v: an environment was written: %v", files, err)
		}
	}
}
