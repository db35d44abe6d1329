package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/config"
)

// from reads a configuration from a map; HOME is /home/u unless the map has another.
func from(env map[string]string) (config.Config, error) {
	return config.Load(config.Sources{Lookup: lookup(env)})
}

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if value, ok := env[name]; ok {
			return value, true
		}
		return "/home/u", name == "HOME"
	}
}

func defaults() config.Config {
	arch := "amd64"
	if runtime.GOARCH == "arm64" {
		arch = "arm64"
	}
	return config.Config{
		Name: "default", Home: "/home/u/.stack/emulator", ImageDir: "/home/u/.stack/emulator/images", RunDir: "/home/u/.stack/emulator/run",
		Arch: arch, RAMMiB: 4096, CPUs: min(4, runtime.NumCPU()), PortPrefix: 81, PortBase: 26700,
		Ports:        config.Ports{Dashboard: 26700, Backend: 26701, Storage: 26702, Mail: 26703},
		ReadyTimeout: 240 * time.Second, SnapshotReadyTimeout: 45 * time.Second,
	}
}

// Commands that must not fail go on with what is sound.
func TestLoadSound(t *testing.T) {
	dir := t.TempDir()
	text := "name: pr-7\nram: lots\nprofile: shop\nprofiles: {shop: {services: [{name: web}]}}\n"
	if err := os.WriteFile(filepath.Join(dir, "stackemu.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"EMULATOR_CPUS": "none", "EMULATOR_BACKEND_PORT": "5000", "EMULATOR_DASHBOARD_PORT": "5000", "EMULATOR_NO_SNAPSHOT": "1"}
	conf, bad, err := config.LoadSound(config.Sources{Lookup: lookup(env), Dir: dir})
	want := defaults()
	want.Name, want.NoSnapshot, want.Given.Dashboard, want.Ports.Dashboard = "pr-7", true, 5000, 5000
	if err != nil || len(bad) != 4 || !reflect.DeepEqual(conf, want) {
		t.Errorf("got %+v, %q, %v", conf, bad, err)
	}
	if conf, bad, err := config.LoadSound(config.Sources{Lookup: lookup(nil)}); err != nil || len(bad) > 0 || !reflect.DeepEqual(conf, defaults()) {
		t.Errorf("got %+v, %q, %v", conf, bad, err)
	}
	if _, _, err := config.LoadSound(config.Sources{Lookup: lookup(map[string]string{"HOME": ""})}); err == nil {
		t.Error("there is no home, and no error")
	}
}

func TestGoodValues(t *testing.T) {
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		env  map[string]string
		want func(*config.Config)
	}{
		{"nothing", nil, func(*config.Config) {}},
		{"empty means unset", map[string]string{"EMULATOR_RAM": "", "EMULATOR_ARCH": " ", "EMULATOR_CPUS": "\t", "PORT_PREFIX": ""},
			func(*config.Config) {}},
		{"home moves the folders in it", map[string]string{"STACK_EMULATOR_HOME": "/e"},
			func(c *config.Config) { c.Home, c.ImageDir, c.RunDir = "/e", "/e/images", "/e/run" }},
		{"relative paths become absolute", map[string]string{"STACK_EMULATOR_HOME": "e", "EMULATOR_RUN_DIR": "../r", "EMULATOR_IMAGE_DIR": "/i/"},
			func(c *config.Config) {
				c.Home, c.ImageDir, c.RunDir = filepath.Join(cwd, "e"), "/i", filepath.Join(cwd, "../r")
			}},
		{"arch", map[string]string{"EMULATOR_ARCH": "arm64"}, func(c *config.Config) { c.Arch = "arm64" }},
		{"arch, as uname says it", map[string]string{"EMULATOR_ARCH": "aarch64"}, func(c *config.Config) { c.Arch = "arm64" }},
		{"arch, the other", map[string]string{"EMULATOR_ARCH": "x86_64"}, func(c *config.Config) { c.Arch = "amd64" }},
		{"RAM in MiB", map[string]string{"EMULATOR_RAM": "2048"}, func(c *config.Config) { c.RAMMiB = 2048 }},
		{"RAM in M", map[string]string{"EMULATOR_RAM": "2048m"}, func(c *config.Config) { c.RAMMiB = 2048 }},
		{"RAM in G", map[string]string{"EMULATOR_RAM": "6G"}, func(c *config.Config) { c.RAMMiB = 6144 }},
		{"CPUs", map[string]string{"EMULATOR_CPUS": " 2 "}, func(c *config.Config) { c.CPUs = 2 }},
		{"prefix of the product", map[string]string{"NEXT_PUBLIC_STACK_PORT_PREFIX": "92"}, func(c *config.Config) { c.PortPrefix = 92 }},
		{"PORT_PREFIX goes first", map[string]string{"NEXT_PUBLIC_STACK_PORT_PREFIX": "92", "PORT_PREFIX": "93"},
			func(c *config.Config) { c.PortPrefix = 93 }},
		{"ports", map[string]string{"EMULATOR_DASHBOARD_PORT": "3000", "EMULATOR_BACKEND_PORT": "26702", "EMULATOR_MINIO_PORT": "1", "EMULATOR_INBUCKET_PORT": "65535"},
			func(c *config.Config) {
				c.Ports = config.Ports{Dashboard: 3000, Backend: 26702, Storage: 1, Mail: 65535}
				c.Given = c.Ports
			}},
		{"timeouts", map[string]string{"EMULATOR_READY_TIMEOUT": "600", "EMULATOR_SNAPSHOT_READY_TIMEOUT": "1m30s"},
			func(c *config.Config) { c.ReadyTimeout, c.SnapshotReadyTimeout = 10*time.Minute, 90*time.Second }},
		{"switches on", map[string]string{"EMULATOR_NO_SNAPSHOT": "1", "EMULATOR_NO_ROTATION": "TRUE", "EMULATOR_FORCE_CAPTURE": "yes"},
			func(c *config.Config) { c.NoSnapshot, c.NoRotation, c.ForceCapture = true, true, true }},
		{"snapshot format", map[string]string{"EMULATOR_SNAPSHOT_FORMAT": "mapped-ram"}, func(c *config.Config) { c.Format = "mapped-ram" }},
		{"switches off", map[string]string{"EMULATOR_NO_SNAPSHOT": "0", "EMULATOR_NO_ROTATION": "false", "EMULATOR_FORCE_CAPTURE": "off"},
			func(*config.Config) {}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := defaults()
			test.want(&want)
			got, err := from(test.env)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestBadValues(t *testing.T) {
	for _, test := range []struct{ variable, value, allowed string }{
		{"EMULATOR_ARCH", "riscv64", "amd64 (or x86_64), arm64 (or aarch64)"},
		{"EMULATOR_RAM", "lots", "a whole number of MiB from 512 to 1048576, or of GiB with a G (4G)"},
		{"EMULATOR_RAM", "511", "MiB from 512"},
		{"EMULATOR_RAM", "1025G", "MiB from 512"},
		{"EMULATOR_RAM", "18014398509481985G", "MiB from 512"}, // overflows to something allowed if one is careless
		{"EMULATOR_CPUS", "0", "a whole number from 1 to 128"},
		{"EMULATOR_CPUS", "-1", "from 1 to 128"},
		{"EMULATOR_CPUS", "+2", "from 1 to 128"},
		{"EMULATOR_CPUS", "2.0", "from 1 to 128"},
		{"EMULATOR_CPUS", "0x2", "from 1 to 128"},
		{"PORT_PREFIX", "655", "a whole number from 11 to 654"},
		{"NEXT_PUBLIC_STACK_PORT_PREFIX", "8", "from 11 to 654"},
		{"EMULATOR_DASHBOARD_PORT", "0", "a whole number from 1 to 65535"},
		{"EMULATOR_BACKEND_PORT", "65536", "from 1 to 65535"},
		{"EMULATOR_MINIO_PORT", "http", "from 1 to 65535"},
		{"EMULATOR_INBUCKET_PORT", "4294967297", "from 1 to 65535"},
		{"EMULATOR_READY_TIMEOUT", "0", "a whole number of seconds from 1 to 86400, or a time such as 90s or 4m"},
		{"EMULATOR_READY_TIMEOUT", "5ms", "seconds from 1 to 86400"},
		{"EMULATOR_READY_TIMEOUT", "25h", "seconds from 1 to 86400"},
		{"EMULATOR_SNAPSHOT_READY_TIMEOUT", "soon", "seconds from 1 to 86400"},
		{"EMULATOR_NO_SNAPSHOT", "maybe", "1, true, yes, on; 0, false, no, off"},
		{"EMULATOR_NO_ROTATION", "2", "1, true, yes, on; 0, false, no, off"},
		{"EMULATOR_FORCE_CAPTURE", "-", "1, true, yes, on; 0, false, no, off"},
		{"STACK_EMULATOR_HOME", "a\x00b", "the path of a folder"},
	} {
		t.Run(test.variable+"="+test.value, func(t *testing.T) {
			_, err := from(map[string]string{test.variable: test.value})
			var bad *config.ValueError
			if !errors.As(err, &bad) {
				t.Fatalf("got %v, want a ValueError", err)
			}
			if bad.Variable != test.variable || bad.Value != test.value || !strings.Contains(bad.Allowed, test.allowed) {
				t.Errorf("got %+v", bad)
			}
		})
	}
}

func TestAllBadValuesAtOnce(t *testing.T) {
	_, err := from(map[string]string{
		"EMULATOR_RAM": "x", "EMULATOR_CPUS": "y", "EMULATOR_DASHBOARD_PORT": "26701", "EMULATOR_BACKEND_PORT": "26701", "HOME": "",
	})
	want := strings.Join([]string{
		`EMULATOR_RAM="x" is not allowed; allowed: a whole number of MiB from 512 to 1048576, or of GiB with a G (4G)`,
		`EMULATOR_CPUS="y" is not allowed; allowed: a whole number from 1 to 128`,
		`STACK_EMULATOR_HOME="" is not allowed; allowed: the path of a folder: it must be set, because HOME is not`,
		`EMULATOR_BACKEND_PORT="26701" is not allowed; allowed: a port that is not also EMULATOR_DASHBOARD_PORT`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestFolders(t *testing.T) {
	c, err := from(map[string]string{"STACK_EMULATOR_HOME": "/e", "EMULATOR_RUN_DIR": "/r", "EMULATOR_IMAGE_DIR": "/i"})
	if err != nil {
		t.Fatal(err)
	}
	h := c.Folders()
	if h.Dir != "/e" || h.Run != "/r" || h.Images != "/i" || h.Snapshots != "/e/snapshots" {
		t.Errorf("got %+v", h)
	}
}

func TestPortsByService(t *testing.T) {
	got := config.Ports{Dashboard: 1, Backend: 2, Mail: 4}.ByService()
	if want := map[string]int{"dashboard": 1, "backend": 2, "mail": 4}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}
