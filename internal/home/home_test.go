package home_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/home"
)

func TestPaths(t *testing.T) {
	h := home.New("/h")
	vm, err := h.Instance("default")
	if err != nil {
		t.Fatal(err)
	}
	other, err := h.Instance("pr-42")
	if err != nil {
		t.Fatal(err)
	}
	image := h.Image("arm64")
	for got, want := range map[string]string{
		image.Disk:           "/h/images/stack-emulator-arm64.qcow2",
		image.Sidecar:        "/h/images/stack-emulator-arm64.qcow2.json",
		image.Lock:           "/h/images/stack-emulator-arm64.qcow2.lock",
		image.Savevm:         "/h/images/stack-emulator-arm64.savevm.zst",
		image.SavevmRaw:      "/h/images/stack-emulator-arm64.savevm.raw",
		image.SavevmDisk:     "/h/images/stack-emulator-arm64.savevm.disk.qcow2",
		h.Snapshots:          "/h/snapshots",
		vm.Dir:               "/h/run/vm",
		vm.Disk:              "/h/run/vm/disk.qcow2",
		vm.ConfigISO:         "/h/run/vm/runtime-config.iso",
		vm.MonitorSock:       "/h/run/vm/monitor.sock",
		vm.AgentSock:         "/h/run/vm/qga.sock",
		vm.ControlSock:       "/h/run/vm/control.sock",
		vm.PID:               "/h/run/vm/qemu.pid",
		vm.SerialLog:         "/h/run/vm/serial.log",
		vm.SupervisorLog:     "/h/run/vm/supervisor.log",
		vm.MessagesLog:       "/h/run/vm/messages.jsonl",
		vm.Running:           "/h/run/vm/vm.json",
		vm.PublishedKey:      "/h/run/vm/internal-pck",
		vm.Session:           "/h/run/vm/session",
		vm.Lock:              "/h/run/vm/lock",
		other.Dir:            "/h/run/pr-42",
		other.SerialLog:      "/h/run/pr-42/serial.log",
		other.QEMULog:        "/h/run/pr-42/qemu.log",
		home.DefaultInstance: "default",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestInstances(t *testing.T) {
	h := home.New(t.TempDir())
	if names, err := h.Instances(); err != nil || names != nil {
		t.Errorf("a new home: %q, %v", names, err)
	}
	for _, folder := range []string{"pr-42", "vm", ".capture", "Not-Ours", "default", "a"} {
		if err := os.MkdirAll(filepath.Join(h.Run, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(h.PortsFile(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if names, err := h.Instances(); err != nil || strings.Join(names, " ") != "default a pr-42" {
		t.Errorf("got %q, %v", names, err)
	}
}

func TestCreateIsPrivate(t *testing.T) {
	h := home.New(filepath.Join(t.TempDir(), "a", "b"))
	if err := h.Create(); err != nil {
		t.Fatal(err)
	}
	vm, err := h.Instance("default")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(vm.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := vm.Create(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{h.Dir, h.Images, h.Run, h.Cache, vm.Dir} {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != fs.ModeDir|0o700 {
			t.Errorf("%s is %v, want drwx------", dir, info.Mode())
		}
	}
}

func TestCreateFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h := home.New(filepath.Join(file, "home"))
	if err := h.Create(); err == nil || !strings.HasPrefix(err.Error(), "home: ") {
		t.Errorf("a home below a file: %v", err)
	}
	vm, err := h.Instance("a")
	if err != nil {
		t.Fatal(err)
	}
	if err := vm.Create(); err == nil || !strings.HasPrefix(err.Error(), "home: instance a: ") {
		t.Errorf("an instance below a file: %v", err)
	}
	if _, err := h.Placeholder(); err == nil {
		t.Error("a placeholder below a file is no error")
	}
}

func TestPlaceholder(t *testing.T) {
	h := home.New(t.TempDir())
	if err := h.Create(); err != nil {
		t.Fatal(err)
	}
	path, err := h.Placeholder()
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.Stat(path)
	if err != nil || first.Size() != 1<<20 {
		t.Fatalf("%v, %v, want 1 MiB", first, err)
	}
	again, err := h.Placeholder()
	if err != nil {
		t.Fatal(err)
	}
	if second, err := os.Stat(again); err != nil || !os.SameFile(first, second) {
		t.Errorf("the placeholder was written twice (%v)", err)
	}
	if files, _ := os.ReadDir(h.Images); len(files) != 1 {
		t.Errorf("left over: %v", files)
	}
	if err := os.Truncate(path, 5); err != nil { // a crash of another program
		t.Fatal(err)
	}
	if _, err := h.Placeholder(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 1<<20 {
		t.Errorf("a short placeholder was kept: %v, %v", info, err)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"default", "a", "0", "pr-42", "a-", strings.Repeat("x", 32)} {
		if err := home.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "-a", "A", "a_b", "a/b", "..", ".", "a.b", "ü", "a\n", " a", "vm", strings.Repeat("x", 33)} {
		err := home.CheckName(name)
		var named *home.NameError
		if !errors.As(err, &named) || named.Name != name {
			t.Errorf("%q: %v, want a NameError", name, err)
		}
		if _, err := home.New("/h").Instance(name); !errors.As(err, &named) {
			t.Errorf("Instance(%q): %v, want a NameError", name, err)
		}
	}
}

// FuzzInstance: whatever the name, no path of an instance leaves its own folder below run, and no two share one.
func FuzzInstance(f *testing.F) {
	for _, seed := range []string{"default", "vm", "a", "../x", "a/../../x", "-", "a\x00b", "ſ"} {
		f.Add(seed)
	}
	h := home.New("/h")
	vm, _ := h.Instance(home.DefaultInstance)
	f.Fuzz(func(t *testing.T, name string) {
		i, err := h.Instance(name)
		if err != nil {
			return
		}
		if filepath.Dir(i.Dir) != "/h/run" || filepath.Dir(i.Lock) != i.Dir || filepath.Clean(i.Lock) != i.Lock {
			t.Errorf("%q leads to %s", name, i.Lock)
		}
		if name != home.DefaultInstance && i.Dir == vm.Dir {
			t.Errorf("%q has the folder of the default instance", name)
		}
	})
}
