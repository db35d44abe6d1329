package qemu_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu"
)

var update = flag.Bool("update", false, "write the golden files anew")

// wiring is one with every part in use.
func wiring(l qemu.Layout) qemu.Wiring {
	w := qemu.Wiring{
		Name: "stackemu-default",
		Disk: "/run/vm/disk.qcow2", Config: "/run/vm/runtime-config.iso", Placeholder: "/run/placeholder.img",
		Forwards:  []qemu.Forward{{HostPort: 26700, GuestPort: 8101}, {HostPort: 26701, GuestPort: 8102}},
		MonitorFD: 3, AgentFD: 4, ToolsFD: 5,
		Serial: "/run/vm/serial.log", Accel: qemu.TCG, VMGenID: "auto", Sandbox: true,
	}
	if l.Arch == qemu.ARM64 {
		w.Firmware = "/share/AAVMF_CODE.fd"
	}
	return w
}

func TestArgvGolden(t *testing.T) {
	for name, c := range map[string]struct {
		layout qemu.Layout
		change func(*qemu.Layout, *qemu.Wiring)
	}{
		"amd64":          {layout: qemu.Default(qemu.AMD64, 4096, 4)},
		"arm64":          {layout: qemu.Default(qemu.ARM64, 4096, 4)},
		"arm64-tcg":      {layout: qemu.Default(qemu.ARM64, 4096, 4).Under(qemu.TCG)},
		"amd64-original": {layout: qemu.OriginalLayout(qemu.AMD64, 4096, 4)},
		"arm64-original": {layout: qemu.OriginalLayout(qemu.ARM64, 4096, 4)},
		"build": {qemu.Default(qemu.AMD64, 2048, 2), func(_ *qemu.Layout, w *qemu.Wiring) {
			w.Seed, w.Bundle, w.Serial, w.NoFlush, w.MonitorFD, w.AgentFD, w.ToolsFD = "seed.iso", "bundle.iso", "", true, 0, 0, 0
			w.Forwards, w.Accel = nil, qemu.KVM
		}},
		"resume": {qemu.Default(qemu.AMD64, 4096, 4), func(l *qemu.Layout, w *qemu.Wiring) {
			l.RAMFile, w.Incoming, w.VMGenID = "/snapshots/key/ram.img", qemu.IncomingSnapshot, "3142e763-b230-44b5-8636-aa62f7489c26"
			w.Forwards, w.Mounts = nil, []qemu.HostMount{{ID: "hostfs", Path: "/src/project"}, {ID: "docs", Path: "/src/docs", ReadOnly: true}}
		}},
		"session": {qemu.Default(qemu.AMD64, 4096, 4), func(l *qemu.Layout, w *qemu.Wiring) {
			l.RAMFile, w.Incoming = "/run/vm/session/ram.img", qemu.IncomingSession
		}},
		"capture": {qemu.Default(qemu.AMD64, 4096, 4), func(l *qemu.Layout, w *qemu.Wiring) {
			l.RAMFile, l.RAMShare = "/snapshots/key/ram.img", true
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := wiring(c.layout)
			if c.change != nil {
				c.change(&c.layout, &w)
			}
			argv, err := c.layout.Argv(w)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", name+".golden"), lines(argv))
		})
	}
}

// lines puts every flag on a line of its own, with its value.
func lines(argv []string) string {
	var b strings.Builder
	for i, a := range argv {
		if i > 0 && strings.HasPrefix(a, "-") {
			b.WriteString("\n")
		} else if i > 0 {
			b.WriteString(" ")
		}
		b.WriteString(a)
	}
	return b.String() + "\n"
}

// golden compares with a file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (rewrite it with -update and look at the change):\n%s", path, got)
	}
}

// The same hardware in the same order, whatever is behind it on the host.
func TestArgvHidesTheHost(t *testing.T) {
	l := qemu.Default(qemu.AMD64, 4096, 4)
	devices := func(change func(*qemu.Wiring)) []string {
		w := wiring(l)
		change(&w)
		argv, err := l.Argv(w)
		if err != nil {
			t.Fatal(err)
		}
		var d []string
		for i, a := range argv[:len(argv)-1] {
			if a == "-device" {
				d = append(d, argv[i+1])
			}
		}
		return d
	}
	want := devices(func(*qemu.Wiring) {})
	got := devices(func(w *qemu.Wiring) {
		w.Seed, w.Bundle, w.Config, w.Forwards, w.MonitorFD, w.AgentFD, w.ToolsFD = "s", "b", "", nil, 0, 0, 0
		w.Accel, w.Incoming, w.NoFlush, w.Serial = qemu.KVM, qemu.IncomingSession, true, ""
		w.Mounts = []qemu.HostMount{{ID: "hostfs", Path: "/src"}}
	})
	if !slices.Equal(got, want) {
		t.Errorf("the devices differ:\n%q\n%q", got, want)
	}
}

func TestArgvEscapes(t *testing.T) {
	l := qemu.Default(qemu.AMD64, 4096, 4)
	l.RAMFile = "/a,b/ram"
	w := wiring(l)
	w.Name, w.Disk, w.Seed, w.Config, w.Serial = "a,b", "/odd,readonly=on/d,,d", "nbd:x", "./c", "/s,s"
	w.Mounts = []qemu.HostMount{{ID: "m", Path: "/m,security_model=passthrough"}}
	argv, err := l.Argv(w)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(argv, "\n")
	for _, want := range []string{
		"guest=a,,b,debug-threads=on", "file=/odd,,readonly=on/d,,,,d", "file=./nbd:x", "file=./c", "path=/s,,s,append=on",
		"mem-path=/a,,b/ram,share=off", "path=/m,,security_model=passthrough,security_model=none",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestArgvRefuses(t *testing.T) {
	for want, change := range map[string]func(*qemu.Layout, *qemu.Wiring){
		`unknown architecture "mips"`: func(l *qemu.Layout, _ *qemu.Wiring) { l.Arch = "mips" },
		"want the name of a machine":  func(l *qemu.Layout, _ *qemu.Wiring) { l.Machine = "q35,accel=kvm" },
		"no CPU model":                func(l *qemu.Layout, _ *qemu.Wiring) { l.CPU = "" },
		"0 CPUs":                      func(l *qemu.Layout, _ *qemu.Wiring) { l.CPUs = 0 },
		"64 MiB of RAM":               func(l *qemu.Layout, _ *qemu.Wiring) { l.RAMMiB = 64 },
		"shared RAM needs a file":     func(l *qemu.Layout, _ *qemu.Wiring) { l.RAMShare = true },
		"no name":                     func(_ *qemu.Layout, w *qemu.Wiring) { w.Name = "" },
		"no disk":                     func(_ *qemu.Layout, w *qemu.Wiring) { w.Disk = "" },
		"no accelerator":              func(_ *qemu.Layout, w *qemu.Wiring) { w.Accel = "" },
		"no placeholder":              func(_ *qemu.Layout, w *qemu.Wiring) { w.Placeholder = "" },
		"no VM generation id":         func(_ *qemu.Layout, w *qemu.Wiring) { w.VMGenID = "" },
		"port 0 to 80":                func(_ *qemu.Layout, w *qemu.Wiring) { w.Forwards = []qemu.Forward{{GuestPort: 80}} },
		"port 80 to 65536":            func(_ *qemu.Layout, w *qemu.Wiring) { w.Forwards = []qemu.Forward{{80, 65536}} },
		"descriptor 2":                func(_ *qemu.Layout, w *qemu.Wiring) { w.MonitorFD = 2 },
		"descriptor 3":                func(_ *qemu.Layout, w *qemu.Wiring) { w.AgentFD = 3 },
		"descriptor 4":                func(_ *qemu.Layout, w *qemu.Wiring) { w.ToolsFD = 4 },
		`mount "a,b"`:                 mounts(qemu.HostMount{ID: "a,b", Path: "/"}),
		"mount a: no path":            mounts(qemu.HostMount{ID: "a"}),
		"another one has that id":     mounts(qemu.HostMount{ID: "a", Path: "/a"}, qemu.HostMount{ID: "a", Path: "/b"}),
		"incoming 3":                  func(_ *qemu.Layout, w *qemu.Wiring) { w.Incoming = 3 },
		"no firmware":                 func(l *qemu.Layout, _ *qemu.Wiring) { l.Arch = qemu.ARM64 },
	} {
		l := qemu.Default(qemu.AMD64, 4096, 4)
		w := wiring(l)
		change(&l, &w)
		if _, err := l.Argv(w); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// mounts is a change of a wiring.
func mounts(m ...qemu.HostMount) func(*qemu.Layout, *qemu.Wiring) {
	return func(_ *qemu.Layout, w *qemu.Wiring) { w.Mounts = m }
}
