package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

func TestMain(m *testing.M) {
	qemutest.Main()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultClient.CloseIdleConnections()
		os.Exit(code)
	}))
}

// ward is a machine to be examined: variables, and a home that is as it should be.
type ward struct {
	*testing.T
	home string
	env  map[string]string
}

var sound = qemutest.Script{Accels: []qemu.Accel{qemu.KVM, qemu.HVF, qemu.TCG}}

func newWard(t *testing.T, s qemutest.Script) *ward {
	t.Helper()
	b := qemutest.Binary(t, s)
	t.Setenv("QEMU_SYSTEM_X86_64", b.Path)
	t.Setenv("QEMU_IMG", b.Img)
	t.Setenv("PATH", t.TempDir()) // no gh
	w := &ward{t, filepath.Join(t.TempDir(), "home"), map[string]string{"EMULATOR_ARCH": "amd64", "EMULATOR_RAM": "512", "GITHUB_TOKEN": "topsecret"}}
	w.env["STACK_EMULATOR_HOME"] = w.home
	for _, name := range []string{"DASHBOARD", "BACKEND", "MINIO", "INBUCKET"} {
		l := w.listen()
		w.env["EMULATOR_"+name+"_PORT"] = portOf(l)
		l.Close()
	}
	for _, dir := range []string{"images", "run/vm", "cache", "snapshots"} {
		if err := os.MkdirAll(filepath.Join(w.home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.write("images/stack-emulator-amd64.qcow2", string(qemutest.Qcow2("")))
	return w
}

func (w *ward) listen() net.Listener {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	return l
}

func portOf(l net.Listener) string { return fmt.Sprint(l.Addr().(*net.TCPAddr).Port) }

func (w *ward) write(name, content string) {
	w.Helper()
	if err := os.WriteFile(filepath.Join(w.home, name), []byte(content), 0o600); err != nil {
		w.Fatal(err)
	}
}

func (w *ward) examine() []Finding {
	w.Helper()
	all := Examine(w.Context(), config.Sources{Lookup: func(name string) (string, bool) { v, ok := w.env[name]; return v, ok }, Dir: w.home})
	for _, f := range all {
		if strings.Contains(f.Text+f.Cure, "topsecret") {
			w.Errorf("a secret is told: %+v", f)
		}
		if f.Level != OK && f.Cure == "" {
			w.Errorf("nothing is said to do about it: %+v", f)
		}
	}
	return all
}

// finds checks that there is one with these words, and its cure has those.
func (w *ward) finds(level Level, code, text, cure string) {
	w.Helper()
	all := w.examine()
	for _, f := range all {
		if f.Code == code && f.Level == level && strings.Contains(f.Text, text) && strings.Contains(f.Cure, cure) {
			return
		}
	}
	w.Errorf("no %s %s with %q and %q in %+v", code, level, text, cure, all)
}

func TestSoundMachine(t *testing.T) {
	w := newWard(t, sound)
	var codes []string
	for _, f := range w.examine() {
		codes = append(codes, f.Code)
		if f.Level == Problem || f.Level == Warning && f.Code != "accelerator" && f.Code != "memory" && f.Code != "disk" {
			t.Errorf("%+v", f)
		}
	}
	const want = "environment config qemu qemu_img qemu_version snapshot_formats accelerator memory disk home hard_links image ports instances leftovers github_token"
	if got := strings.Join(codes, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var left []string
	for _, pattern := range []string{"*", "images/.*", "run/.*", "snapshots/.*"} {
		found, _ := filepath.Glob(filepath.Join(w.home, pattern))
		left = append(left, found...)
	}
	if len(left) != 4 {
		t.Errorf("left: %q", left)
	}
}

func TestFindings(t *testing.T) {
	for _, c := range []struct {
		name       string
		change     func(*ward)
		level      Level
		code       string
		text, cure string
	}{
		{"a bad variable", func(w *ward) { w.env["EMULATOR_RAM"] = "much" }, Problem, "environment", `EMULATOR_RAM="much" is not allowed`, "unset it"},
		{"a bad file", func(w *ward) { w.write("stackemu.yaml", "ram: 512\nrams: 1\n") }, Problem, "config", `stackemu.yaml:2: there is no setting "rams"`, "docs/configuration.md"},
		{"a file", func(w *ward) { w.write("stackemu.yaml", "ram: 512\n") }, OK, "config", "stackemu.yaml", ""},
		{"no QEMU", func(w *ward) { w.Setenv("QEMU_SYSTEM_X86_64", "/nothing") }, Problem, "qemu", "/nothing is not there", "QEMU_SYSTEM_X86_64"},
		{"no QEMU in PATH", func(w *ward) { w.Setenv("QEMU_SYSTEM_X86_64", "") }, Problem, "qemu", "qemu-system-x86_64 is not there", "install"},
		{"no qemu-img", func(w *ward) { w.Setenv("QEMU_IMG", "") }, Problem, "qemu_img", "qemu-img is not there", "install"},
		{"no image", func(w *ward) { os.Remove(w.home + "/images/stack-emulator-amd64.qcow2") }, Warning, "image", "there is no image for amd64", "stackemu pull"},
		{"a text as an image", func(w *ward) { w.write("images/stack-emulator-amd64.qcow2", "text") }, Problem, "image", "not a qcow2 image", "pull --force"},
		{"an image that opens others", func(w *ward) { w.write("images/stack-emulator-amd64.qcow2", string(qemutest.Qcow2("/etc/passwd"))) }, Problem, "image", "backing file", "pull --force"},
		{"an image of another product", func(w *ward) { w.write("images/stack-emulator-amd64.qcow2.json", `{"profile":"x"}`) }, Problem, "image", `profile "x"`, "pull --force"},
		{"an image for arm64 only", func(w *ward) {
			w.Setenv("QEMU_SYSTEM_AARCH64", "/nothing")
			w.write("images/stack-emulator-arm64.qcow2", string(qemutest.Qcow2("")))
		}, Problem, "firmware", "no QEMU for it", "install"},
		{"an open home", func(w *ward) { os.Chmod(w.home, 0o755) }, Warning, "home", "is open to other users", "chmod 700"},
		{"a file as run", func(w *ward) { os.RemoveAll(w.home + "/run"); w.write("run", "") }, Problem, "home", "run is not a directory", "move it away"},
		{"a file as home", func(w *ward) { os.RemoveAll(w.home); os.WriteFile(w.home, nil, 0o600) }, Problem, "home", "is not a directory", "STACK_EMULATOR_HOME"},
		{"no home", func(w *ward) { os.RemoveAll(w.home) }, OK, "home", "is not there yet", ""},
		{"a home that cannot be", func(w *ward) { w.env["STACK_EMULATOR_HOME"] = "/dev/null/home" }, Problem, "home", "cannot be made", "STACK_EMULATOR_HOME"},
		{"a port with two owners", func(w *ward) {
			l := w.listen()
			w.Cleanup(func() { l.Close() })
			w.env["EMULATOR_BACKEND_PORT"] = portOf(l)
		}, Problem, "ports", fmt.Sprintf("(pid %d)", os.Getpid()), "EMULATOR_BACKEND_PORT"},
		{"a port that browsers refuse", func(w *ward) { w.env["EMULATOR_MINIO_PORT"] = "6667" }, Warning, "ports", "browsers refuse port 6667", "EMULATOR_MINIO_PORT"},
		{"a port of a profile's own service", func(w *ward) {
			w.write("stackemu.yaml", "profile: shop\nprofiles: {shop: {services: [{name: web, guest_port: 80, host_port: 6667}]}}\n")
		}, Warning, "ports", "browsers refuse port 6667", "with host_port of the service web in the profile shop"},
		{"a contradiction, and the rest", func(w *ward) {
			w.env["EMULATOR_NO_SNAPSHOT"] = "1"
			w.write("stackemu.yaml", "snapshots: {required: true}\n")
		}, OK, "home", "private", ""},
		{"a VM without a supervisor", func(w *ward) {
			if err := qemu.WritePID(w.home+"/run/vm/qemu.pid", os.Getpid()); err != nil {
				w.Fatal(err)
			}
		}, Warning, "instances", "default: its VM runs without a supervisor", "stackemu start default"},
		{"a session set aside", func(w *ward) { os.Mkdir(w.home+"/run/vm/session.broken-20260101-000000.000", 0o700) }, Warning, "instances", "was set aside", "rm -r"},
		{"a broken snapshot", func(w *ward) { os.Mkdir(w.home+"/snapshots/k.broken-1", 0o700) }, Warning, "leftovers", "damaged snapshot", "stackemu snapshot prune"},
		{"half a download", func(w *ward) { w.write("images/stack-emulator-arm64.qcow2.part", "x") }, Warning, "leftovers", "has not come to its end", "stackemu pull --arch arm64"},
		{"no token", func(w *ward) { delete(w.env, "GITHUB_TOKEN") }, OK, "github_token", "there is none", "gh auth login"},
		{"a token", func(*ward) {}, OK, "github_token", "there is one (GITHUB_TOKEN)", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWard(t, sound)
			c.change(w)
			w.finds(c.level, c.code, c.text, c.cure)
		})
	}
}

func TestOldQEMU(t *testing.T) {
	newWard(t, qemutest.Script{Version: "8.2.0"}).finds(Problem, "qemu_version", "8.2.0, and 9.0.0 or later is needed", "install")
}

func TestFormats(t *testing.T) {
	for want, c := range map[string]qemu.Capabilities{
		"ok lazy and mapped-ram":  {Migration: []string{"x-ignore-shared", "mapped-ram", "multifd"}},
		"ok no mapped-ram":        {Migration: []string{"x-ignore-shared"}},
		"warning mapped-ram":      {Migration: []string{"mapped-ram", "multifd"}},
		"warning no snapshots: e": {},
	} {
		level, words, _ := strings.Cut(want, " ")
		if f := formats("c", c, "cure"); string(f.Level) != level || !strings.Contains(f.Text, words) {
			t.Errorf("%s: got %+v", want, f)
		}
	}
}

func TestAccelerated(t *testing.T) {
	host := string(qemu.HostArch())
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[host]
	for _, c := range []struct {
		arch   string
		choice qemu.Choice
		level  Level
		cure   string
	}{
		{host, qemu.Choice{Accel: qemu.KVM}, OK, ""},
		{host, qemu.Choice{Accel: qemu.TCG}, Warning, ""},
		{host, qemu.Choice{Accel: qemu.TCG, Detail: "join the group kvm"}, Warning, "usermod"},
		{other, qemu.Choice{Accel: qemu.TCG}, Warning, "set it to " + host},
	} {
		f := accelerated("c", c.arch, c.choice)
		if f.Level != c.level || !strings.Contains(f.Cure, c.cure) || (f.Cure == "") != (f.Level == OK) {
			t.Errorf("%+v: got %+v", c, f)
		}
	}
}

func TestRoom(t *testing.T) {
	for _, c := range []struct {
		f    Finding
		want Level
	}{
		{roomy("/d", gib/2, gib), Problem}, {roomy("/d", 4*gib, gib), Warning}, {roomy("/d", 6*gib, gib), OK},
		{remembered(4*gib, 2*gib, 0), Problem}, {remembered(4*gib, 8*gib, gib), Warning}, {remembered(4*gib, 8*gib, 5*gib), OK}, {remembered(4*gib, 8*gib, 0), OK},
	} {
		if c.f.Level != c.want {
			t.Errorf("want %s, got %+v", c.want, c.f)
		}
	}
}

func TestSmallThings(t *testing.T) {
	if got := quoted("it's"); got != `'it'\''s'` {
		t.Errorf("got %s", got)
	}
	if got := literal(`/a[b]*\?`); got != `/a\[b]\*\\\?` {
		t.Errorf("got %s", got)
	}
	if got := firstPart(errors.New("a; b; c")); got != "a" {
		t.Errorf("got %s", got)
	}
	if !Well(nil) || Well([]Finding{{Level: Problem}}) || !Well([]Finding{{Level: Warning}}) {
		t.Error("only problems are no good")
	}
}
