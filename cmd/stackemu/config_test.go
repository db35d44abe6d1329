package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// inProject gives an emulator a project's file in the place of the variables. It returns the project's folder.
func (e *emulator) inProject(text string) string {
	e.Helper()
	dir, err := filepath.EvalSymlinks(e.TempDir())
	if err != nil {
		e.Fatal(err)
	}
	path := filepath.Join(dir, "stackemu.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		e.Fatal(err)
	}
	e.env = append(e.env, "STACKEMU_CONFIG="+path, "EMULATOR_RAM=", "EMULATOR_DASHBOARD_PORT=", "EMULATOR_BACKEND_PORT=")
	return dir
}

// A supervisor in the background has the configuration of the command that has launched it, and not what is there when it reads.
func TestConfigOfABackgroundInstance(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	dir := e.inProject(fmt.Sprintf("name: pr-42\nram: 768\nmounts: [src:ro]\nports: {dashboard: %d, backend: %d}\n", e.port["DASHBOARD"], e.port["BACKEND"]))
	c := e.run(exitUsage, "start")
	e.complains(c, "^stackemu: mount: lstat "+dir+"/src: no such file or directory$")
	if err := os.Mkdir(filepath.Join(dir, "src"), 0o700); err != nil {
		t.Fatal(err)
	}
	e.says(e.run(0, "start"), "^pr-42  ready", fmt.Sprintf("http://localhost:%d$", e.port["DASHBOARD"]))
	running, err := os.ReadFile(e.file("run/pr-42/vm.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"768M"`, fmt.Sprintf(`"mounts":[{"Dir":%q,"ReadOnly":true}]`, filepath.Join(dir, "src"))} {
		if !strings.Contains(string(running), want) {
			t.Errorf("no %s in %s", want, running)
		}
	}
	if left, _ := filepath.Glob(e.file("run/pr-42/.config-*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	e.says(e.run(0, "env"), "STACK_EMULATOR_INSTANCE=.?pr-42")
}

// A setting that has become wrong meanwhile keeps nobody from looking at a running instance, or from stopping it.
func TestWrongSettingsAndARunningInstance(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	e.run(0, "start")
	e.inProject("name: pr-42: x\n")
	e.env = append(e.env, "EMULATOR_CPUS=many")
	e.complains(e.run(exitUsage, "start"), "is not YAML")
	e.status(0, "default")
	e.says(e.run(0, "ls"), "^default +ready")
	c := e.run(0, "logs")
	e.says(c, "default +ready")
	e.complains(c, "^stackemu: warning: goes on without what is wrong: .*stackemu.yaml:1: is not YAML: .* \\(and 1 more: `stackemu config check`\\)$")
	e.complains(e.run(exitUsage, "stop"), "is not YAML: .*; name the instance, .*: stackemu stop NAME$")
	e.status(0, "default")
	e.says(e.run(0, "stop", "default"), "^default  stopped in")
	e.nothingLeft()
}

const shop = `
profile: shop
profiles:
  shop:
    services:
      - {name: web, guest_port: 8080, host_port: %d, health: /up}
      - {name: admin-page, guest_port: 9000, host_port: 1, variable: SHOP_ADMIN_PORT}
`

// A file can describe the services of another image, and how its secrets are replaced.
func TestProfileOfAFile(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.inProject(fmt.Sprintf(shop, e.port["DASHBOARD"]) + `    rotation:
      command: [/usr/local/bin/trigger-fast-rotate]
      secrets: [STACK_SEED_INTERNAL_PROJECT_PUBLISHABLE_CLIENT_KEY, STACK_SEED_INTERNAL_PROJECT_SECRET_SERVER_KEY,
        STACK_SEED_INTERNAL_PROJECT_SUPER_SECRET_ADMIN_KEY, CRON_SECRET]
`)
	e.env = append(e.env, fmt.Sprintf("SHOP_ADMIN_PORT=%d", e.port["BACKEND"]))
	c := e.up()
	key, err := os.ReadFile(e.file("run/vm/internal-pck"))
	if err != nil {
		t.Fatal(err)
	}
	if !e.accepts(string(key)) {
		t.Error("the guest has another key")
	}
	e.stop(c)
	e.says(c, "web +.*healthy|admin-page +.*healthy", "ready", fmt.Sprintf("web +http://localhost:%d$", e.port["DASHBOARD"]), fmt.Sprintf("admin-page +http://localhost:%d$", e.port["BACKEND"]))
	e.saysNot(c, "no rotation", "cold-booting")

	again := e.up() // from its session: its secrets are its own already
	if !e.accepts(string(key)) {
		t.Error("the guest has another key after a resume")
	}
	e.stop(again)
	e.saysNot(again, "cold-booting")
}

func TestProfileWithoutRotation(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.inProject(fmt.Sprintf(shop, e.port["DASHBOARD"]))
	e.env = append(e.env, fmt.Sprintf("SHOP_ADMIN_PORT=%d", e.port["BACKEND"]))
	c := e.up()
	env := e.run(0, "env")
	e.says(env, fmt.Sprintf("STACK_WEB_PORT=.?%d", e.port["DASHBOARD"]), "STACK_ADMIN_PAGE_URL=")
	e.saysNot(env, "KEY", "STACK_PROJECT_ID")
	e.stop(c)
	e.says(c, "the profile shop has no rotation: the secrets of this instance are those of its image")
}

func TestProfileWhoseRotationFails(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.inProject(fmt.Sprintf(shop, e.port["DASHBOARD"]) + "    rotation: {command: [/usr/bin/none], secrets: [A_KEY]}\n")
	e.env = append(e.env, fmt.Sprintf("SHOP_ADMIN_PORT=%d", e.port["BACKEND"]), "EMULATOR_NO_SNAPSHOT=1")
	c := e.run(exitFailed, "up")
	e.complains(c, "rotation: ")
	e.nothingLeft()
}
