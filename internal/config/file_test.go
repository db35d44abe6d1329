package config_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/profile"
)

// place is a machine with a home and a project in it.
type place struct {
	*testing.T
	home, project string
	env           map[string]string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t, filepath.Join(dir, "home"), filepath.Join(dir, "home/src/project"), nil}
	p.env = map[string]string{"HOME": p.home, "XDG_CONFIG_HOME": filepath.Join(p.home, "config")}
	p.mkdir(p.project)
	return p
}

func (p *place) mkdir(dir string) {
	p.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		p.Fatal(err)
	}
}

func (p *place) write(path, text string) string {
	p.Helper()
	p.mkdir(filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
	return path
}

func (p *place) user(text string) string {
	return p.write(filepath.Join(p.home, "config/stackemu/config.yaml"), text)
}

func (p *place) file(text string) string {
	return p.write(filepath.Join(p.project, config.FileName), text)
}

func (p *place) sources() config.Sources {
	return config.Sources{Lookup: func(name string) (string, bool) { v, ok := p.env[name]; return v, ok }, Dir: p.project}
}

func (p *place) load() config.Config {
	p.Helper()
	c, err := config.Load(p.sources())
	if err != nil {
		p.Error(err)
	}
	return c
}

func (p *place) origin(key string) string {
	p.Helper()
	e, errs := config.Explain(p.sources())
	if len(errs) > 0 {
		p.Error(errs)
	}
	for _, s := range e.Settings {
		if s.Key == key {
			return strings.ReplaceAll(s.Value+" "+s.Origin.String(), p.home, "~")
		}
	}
	p.Fatalf("there is no setting %s", key)
	return ""
}

func TestPrecedence(t *testing.T) {
	p := newPlace(t)
	s := p.sources()
	for _, step := range []struct {
		add  func()
		want string
	}{
		{func() {}, "4096 default"},
		{func() { p.user("cpus: 1\nram: 1G\n") }, "1024 ~/config/stackemu/config.yaml:2"},
		{func() { p.file("ram: 2048\n") }, "2048 ~/src/project/stackemu.yaml:1"},
		{func() { p.env["EMULATOR_RAM"] = "3G" }, "3072 env EMULATOR_RAM"},
	} {
		step.add()
		if got := p.origin("ram"); got != step.want {
			t.Errorf("got %s, want %s", got, step.want)
		}
	}
	p.file("snapshots:\n  format: lazy\n")
	p.env["EMULATOR_SNAPSHOT_FORMAT"] = "lazy"
	s.Flags = map[string][]string{"--format": {"mapped-ram"}}
	if c, err := config.Load(s); err != nil || c.Format != "mapped-ram" || c.CPUs != 1 {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestEverythingInAFile(t *testing.T) {
	p := newPlace(t)
	p.user(`
name: mine
profile: other
arch: aarch64
ram: 512
cpus: 3
mounts: [~/src:ro, sub]
ports: {dashboard: 3000, backend: 3001, storage: 3002, mail: 3003, guest_prefix: 92}
timeouts: {ready: 600, resume: 1m30s}
snapshots: {enabled: false, format: mapped-ram, required: false, recapture: true}
rotation: false
offline: true
image: {repo: a/b, branch: feature/x}
folders: {home: ~/emulator, images: images, run: /run/e}
profiles:
  other:
    original_layout: true
    services:
      - {name: web, guest_port: 80, health: "/up?x=1", codes: [200, 204], variable: WEB_PORT}
      - {name: db, guest_port: 81, host_port: 5000, codes: []}
      - {name: dashboard, guest_port: 82}
    rotation:
      command: [/bin/rotate, -x]
      secrets: [A_KEY, B_KEY]
`)
	p.env["WEB_PORT"] = "8080"
	config1 := filepath.Join(p.home, "config/stackemu")
	want := config.Config{Name: "mine", Profile: "other", Arch: "arm64", RAMMiB: 512, CPUs: 3,
		Mounts:     []config.Mount{{Dir: filepath.Join(p.home, "src"), ReadOnly: true}, {Dir: filepath.Join(config1, "sub")}},
		PortPrefix: 92, PortBase: 26700, Ports: config.Ports{Dashboard: 3000, Backend: 3001, Storage: 3002, Mail: 3003},
		ReadyTimeout: 10 * time.Minute, SnapshotReadyTimeout: 90 * time.Second, NoSnapshot: true, Format: "mapped-ram", ForceCapture: true, NoRotation: true,
		Offline: true, ImageRepo: "a/b", ImageBranch: "feature/x",
		Home: filepath.Join(p.home, "emulator"), ImageDir: filepath.Join(config1, "images"), RunDir: "/run/e",
		Profiles: []profile.Profile{{Name: "other", OriginalLayout: true, Rotation: &profile.Rotation{Command: []string{"/bin/rotate", "-x"}, Secrets: []string{"A_KEY", "B_KEY"}},
			Services: []profile.Service{
				{Name: "web", GuestPort: 80, HostPort: 8080, HealthPath: "/up?x=1", Codes: []int{200, 204}},
				{Name: "db", GuestPort: 81, HostPort: 5000, HealthPath: "/", Codes: []int{200}},
				{Name: "dashboard", GuestPort: 82, HealthPath: "/", Codes: []int{200}},
			}}},
	}
	want.Given = want.Ports
	got := p.load()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	table, err := got.AtBase(26710).Table("reference", nil)
	if err != nil || table.Name != "other" || table.Services[0].HostPort != 8080 || table.Services[1].HostPort != 5000 || table.Services[2].HostPort != 3000 {
		t.Errorf("got %+v, %v", table, err)
	}
	got.Given = config.Ports{}
	if table, err := got.AtBase(26710).Table("reference", nil); err != nil || table.Services[2].HostPort != 26712 {
		t.Errorf("got %+v, %v", table, err)
	}
	// It can be handed to another process.
	text, err := json.Marshal(got)
	var again config.Config
	if err := errors.Join(err, json.Unmarshal(text, &again)); err != nil || !reflect.DeepEqual(got, again) {
		t.Errorf("%v: got %+v\nwant %+v", err, again, got)
	}
}

func TestTable(t *testing.T) {
	c := newPlace(t).load()
	table, err := c.AtBase(26720).Table("stack-auth", nil)
	if err != nil || table.Services[3].HostPort != 26723 || !table.Rotates() {
		t.Errorf("got %+v, %v", table, err)
	}
	if table, err := c.Table("stack-auth", []string{"mail"}); err != nil || len(table.Services) != 1 || table.Services[0].HostPort != 26703 {
		t.Errorf("got %+v, %v", table, err)
	}
	if _, err := c.Table("other", nil); err == nil || err.Error() != `profile "other" is not known (known: reference, stack-auth)` {
		t.Errorf("got %v", err)
	}
}

func TestBadFiles(t *testing.T) {
	const mib = "allowed: a whole number of MiB from 512 to 1048576, or of GiB with a G (4G)"
	for name, test := range map[string]struct{ text, want string }{
		"unknown key":         {"cpus: 1\nrams: 4\n", `:2: there is no setting "rams", did you mean "ram"?`},
		"unknown, not near":   {"weather: fine", `:1: there is no setting "weather"`},
		"without its group":   {"dashboard: 3000", `:1: there is no setting "dashboard", did you mean "ports.dashboard"?`},
		"a variable as a key": {"EMULATOR_RAM: 3000", `:1: there is no setting "EMULATOR_RAM", did you mean "ram"?`},
		"unknown in a group":  {"ports:\n  backed: 3", `:2: there is no setting "ports.backed", did you mean "ports.backend"?`},
		"a bad value":         {"\nram: lots", `:2: ram="lots" is not allowed; ` + mib},
		"a bad number":        {"ram: 1", `:1: ram="1" is not allowed; ` + mib},
		"a list for a number": {"ram: [1]", `:1: ram is a list; ` + mib},
		"a map for a number":  {"ram: {a: b}", `:1: ram is a map; ` + mib},
		"nothing":             {"ram:", `:1: ram is empty; ` + mib},
		"a word for a number": {"cpus: two", `:1: cpus="two" is not allowed; allowed: a whole number from 1 to 128`},
		"text for a number":   {`cpus: "2"`, `:1: cpus="2" is not allowed; allowed: a whole number from 1 to 128`},
		"another base":        {`cpus: 0x2`, `:1: cpus="0x2" is not allowed; allowed: a whole number from 1 to 128`},
		"a float":             {`cpus: 2.5`, `:1: cpus="2.5" is not allowed; allowed: a whole number from 1 to 128`},
		"a number for text":   {"name: 42", `:1: name is a number (42); allowed: 1 to 32 of a-z, 0-9 and -, not beginning with -; or auto, for a name that is made of the git worktree, in quotes`},
		"a word for a switch": {"snapshots:\n  enabled: maybe", `:2: snapshots.enabled="maybe" is not allowed; allowed: true, false`},
		"text for a switch":   {"snapshots:\n  enabled: yes", `:2: snapshots.enabled="yes" is not allowed; allowed: true, false`},
		"a group as a value":  {"ports: 3000", `:1: ports is a number (3000); allowed: a map (key: value)`},
		"a value for a list":  {"mounts: .", `:1: mounts is text ("."); allowed: a list ([a, b], or lines that begin with -)`},
		"twice":               {"ram: 512\nram: 513", `:2: ram is there twice: first in line 1`},
		"a list":              {"- ram", `:1: the file is a list; allowed: a map (key: value)`},
		"a text":              {"ram", `:1: the file is text ("ram"); allowed: a map (key: value)`},
		"no YAML":             {"ram: 1\n  cpus: 2\n", `:2: is not YAML: mapping values are not allowed in this context`},
		"no YAML at once":     {"{", `:1: is not YAML: `},
		"an alias":            {"ram: &x 512\ncpus: *x", `:2: aliases (*name) are not supported: write it again`},
		"an alias to nothing": {"ram: 512\ncpus: *x", `:2: aliases (*name) are not supported: write it again`},
		"a merge":             {"ports: &x {mail: 512}\n<<: *x", `:2: aliases (*name) are not supported: write it again`},
		"two documents":       {"ram: 512\n---\ncpus: 1", `:2: there is a second document (after ---): only one is read`},
		"binary":              {"ram: 512\ncpus: \x00", `:2: has a character that is no text, or is not in UTF-8`},
		"Latin 1":             {"# \xe4", `:1: has a character that is no text, or is not in UTF-8`},
		"a tag":               {"cpus: !x 1", `:1: cpus="1" is not allowed; allowed: a whole number from 1 to 128`},
		"two ports":           {"ports:\n  backend: 3\n  dashboard: 3", `:2: ports.backend="3" is not allowed; allowed: a port that is not also ports.dashboard`},
		"a contradiction":     {"snapshots: {enabled: false, required: true}", `snapshots.required and snapshots.enabled contradict each other`},
		"an unknown profile":  {"profile: other", `:1: profile="other" is not allowed; allowed: reference, stack-auth`},
		"secrets":             {"rotation: false", `:1: rotation cannot be set by a project's file, because it decides whether the guest's secrets are secret: set it in your own file, or with EMULATOR_NO_ROTATION`},
		"the network":         {"offline: false", `:1: offline cannot be set by a project's file, because it decides whether the network is used: set it in your own file, or with --offline`},
		"the source":          {"image:\n  repo: evil/evil", `:2: image.repo cannot be set by a project's file, because it decides whose program runs in the guest: set it in your own file, or with --repo`},
		"the home":            {"folders: {home: .}", `:1: folders.home cannot be set by a project's file, because it decides where images are taken from and data is written to: set it in your own file, or with STACK_EMULATOR_HOME`},

		"a built-in profile":   {"profiles: {stack-auth: {services: [{name: a, guest_port: 1}]}}", `:1: profiles="stack-auth" is not allowed; allowed: 1 to 32 of a-z, 0-9 and -, not beginning with -, and none of the built-in ones (reference, stack-auth)`},
		"an empty profile":     {"profiles:\n  a:\n", `:2: profiles.a has no services`},
		"a nameless service":   {"profiles:\n  a:\n    services:\n      - guest_port: 1", `:4: profiles.a.services[0]: name and guest_port are needed`},
		"an unknown part":      {"profiles:\n  a:\n    services:\n      - {name: a, guest_prt: 1, guest_port: 1}", `:4: profiles.a.services[0] has no "guest_prt", did you mean "guest_port"? (it has codes, guest_port, health, host_port, name, variable)`},
		"two of a name":        {"profiles:\n  a:\n    services:\n      - {name: a, guest_port: 1}\n      - {name: a, guest_port: 2}", `:5: profiles.a.services: there are two services "a"`},
		"two of a port":        {"profiles:\n  a:\n    services:\n      - {name: a, guest_port: 1, host_port: 5}\n      - {name: b, guest_port: 2, host_port: 5}", `:5: profiles.a.services: two services have the host port 5`},
		"a bad port":           {"profiles: {a: {services: [{name: a, guest_port: 0}]}}", `:1: profiles.a.services[0].guest_port="0" is not allowed; allowed: a whole number from 1 to 65535`},
		"a secret as a port":   {"profiles: {a: {services: [{name: a, guest_port: 1, variable: GITHUB_TOKEN}]}}", `:1: profiles.a.services[0].variable="GITHUB_TOKEN" is not allowed; allowed: the name of a variable that ends with _PORT`},
		"a bad health path":    {"profiles: {a: {services: [{name: a, guest_port: 1, health: up}]}}", `:1: profiles.a.services[0].health="up" is not allowed; allowed: a path such as /health`},
		"a bad code":           {"profiles: {a: {services: [{name: a, guest_port: 1, codes: [200, ok]}]}}", `:1: profiles.a.services[0].codes[1]="ok" is not allowed; allowed: a whole number from 100 to 599`},
		"a relative program":   {"profiles: {a: {services: [{name: a, guest_port: 1}], rotation: {command: [rotate], secrets: [A]}}}", `:1: profiles.a.rotation.command: allowed: a list of the absolute path of a program in the guest, and its arguments`},
		"no secrets":           {"profiles: {a: {services: [{name: a, guest_port: 1}], rotation: {command: [/rotate]}}}", `:1: profiles.a.rotation.secrets: at least one is needed`},
		"a rotation as a word": {"profiles: {a: {services: [{name: a, guest_port: 1}], rotation: no}}", `:1: profiles.a.rotation is text ("no"); allowed: a map (key: value)`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			path := p.file(test.text)
			_, err := config.Load(p.sources())
			if err == nil {
				t.Fatal("no error")
			}
			got := strings.TrimPrefix(err.Error(), path)
			if got != test.want && !(strings.HasSuffix(test.want, ": ") && strings.HasPrefix(got, test.want)) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			var file *config.FileError
			if strings.HasPrefix(test.want, ":") && !errors.As(err, &file) {
				t.Errorf("got %T", err)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	p := newPlace(t)
	file, user := p.file("rams: 1\ncpus: 0\n"), p.user("ports: {mail: 0}\n")
	p.env["EMULATOR_ARCH"] = "vax"
	_, err := config.Load(p.sources())
	want := file + `:1: there is no setting "rams", did you mean "ram"?
` + file + `:2: cpus="0" is not allowed; allowed: a whole number from 1 to 128
` + user + `:1: ports.mail="0" is not allowed; allowed: a whole number from 1 to 65535
EMULATOR_ARCH="vax" is not allowed; allowed: amd64 (or x86_64), arm64 (or aarch64)`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestEmptyFiles(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "ports:\nmounts:\nprofiles:\n", "cpus: 1\r\nram: 512\r\n", "\ufeffcpus: 1\n", "null\n"} {
		p := newPlace(t)
		p.file(text)
		p.load()
	}
}

func TestSearch(t *testing.T) {
	for name, test := range map[string]struct {
		file string // where there is one
		git  string // the top of a worktree
		want bool
	}{
		"here":                    {"src/project", "", true},
		"above":                   {"src", "", true},
		"in the home":             {"", "", false},
		"at the top of the tree":  {"src/project", "src/project", true},
		"above the tree":          {"src", "src/project", false},
		"at the top of one above": {"src", "src", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			p.write(filepath.Join(p.home, test.file, config.FileName), "cpus: 7\n")
			if test.git != "" {
				p.mkdir(filepath.Join(p.home, test.git, ".git"))
			}
			if got := p.load().CPUs == 7; got != test.want {
				t.Errorf("found: %v, want %v", got, test.want)
			}
		})
	}
}

func TestNamedFile(t *testing.T) {
	p := newPlace(t)
	p.file("cpus: 7\n")
	p.user("ram: 1024\n")
	p.write(filepath.Join(p.project, "other.yaml"), "cpus: 8\n")
	p.env[config.FileVariable] = "other.yaml"
	if c := p.load(); c.CPUs != 8 || c.RAMMiB != 1024 {
		t.Errorf("got %+v", c)
	}
	p.env[config.FileVariable] = config.NoFiles
	if c := p.load(); c.CPUs == 7 || c.RAMMiB != 4096 {
		t.Errorf("got %+v", c)
	}
	p.env[config.FileVariable] = "gone.yaml"
	if _, err := config.Load(p.sources()); err == nil || !strings.HasSuffix(err.Error(), "gone.yaml: no such file or directory") {
		t.Errorf("got %v", err)
	}
	p.env[config.FileVariable] = "."
	if _, err := config.Load(p.sources()); err == nil || !strings.HasSuffix(err.Error(), ": is not a file") {
		t.Errorf("got %v", err)
	}
	p.env[config.FileVariable] = p.write(filepath.Join(p.project, "big.yaml"), "#"+strings.Repeat(" ", 300<<10))
	if _, err := config.Load(p.sources()); err == nil || !strings.HasSuffix(err.Error(), "has more than 256 KiB") {
		t.Errorf("got %v", err)
	}
}

// A file of somebody else that lies in our way is not read, and neither is it passed over in silence.
func TestFileOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	p := newPlace(t)
	path := p.file("cpus: 7\n")
	if err := os.Chown(path, 65534, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(p.sources()); err == nil || !strings.Contains(err.Error(), "belongs to another user (65534)") {
		t.Errorf("got %v", err)
	}
	p.env[config.FileVariable] = path
	if c := p.load(); c.CPUs != 7 {
		t.Errorf("got %+v", c)
	}
}

func TestProfilesOfBothFiles(t *testing.T) {
	p := newPlace(t)
	p.user("profiles:\n  a: {services: [{name: a, guest_port: 1}]}\n  b: {services: [{name: b, guest_port: 2}]}\n")
	p.file("profile: a\nprofiles:\n  a: {services: [{name: a, guest_port: 3}]}\n")
	c := p.load()
	if len(c.Profiles) != 2 || c.Profiles[0].Services[0].GuestPort != 3 || c.Profiles[1].Name != "b" {
		t.Errorf("got %+v", c.Profiles)
	}
	if table, err := c.Table("stack-auth", nil); err != nil || table.Name != "a" || table.Rotates() {
		t.Errorf("got %+v, %v", table, err)
	}
	p.env["WEB_PORT"] = "no"
	p.file("profiles:\n  a: {services: [{name: a, guest_port: 3, variable: WEB_PORT}]}\n")
	if _, err := config.Load(p.sources()); err == nil || err.Error() != `WEB_PORT="no" is not allowed; allowed: a whole number from 1 to 65535` {
		t.Errorf("got %v", err)
	}
}
