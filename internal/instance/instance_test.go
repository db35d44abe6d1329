package instance

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/hostport"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

func TestMain(m *testing.M) {
	qemutest.Main()
	goleak.VerifyTestMain(m)
}

// configure makes a home with an image, for a fake QEMU, on free ports.
func configure(t *testing.T) config.Config {
	t.Helper()
	b := qemutest.Binary(t, qemutest.Script{Accels: []qemu.Accel{qemu.KVM, qemu.HVF, qemu.TCG}})
	t.Setenv("QEMU_SYSTEM_X86_64", b.Path)
	t.Setenv("QEMU_IMG", b.Img)
	dir := t.TempDir()
	env := map[string]string{"STACK_EMULATOR_HOME": dir, "EMULATOR_ARCH": "amd64"}
	for _, name := range []string{"DASHBOARD", "BACKEND"} {
		env["EMULATOR_"+name+"_PORT"] = strconv.Itoa(clitest.FreePort(t))
	}
	c, err := config.Load(config.Sources{Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	image := c.Folders().Image(c.Arch)
	write(t, image.Disk, string(qemutest.Qcow2("")))
	write(t, image.Sidecar, `{"profile":"reference","services":["dashboard","backend"]}`)
	return c
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, c config.Config) *Instance {
	t.Helper()
	i, err := Open(c, home.DefaultInstance)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

// cold prepares a boot from the disk, or from a saved session.
func cold(ctx context.Context, i *Instance) (*Boot, error) {
	if _, err := i.Survey(ctx, Limits{}); err != nil {
		return nil, err
	}
	return i.Prepare(ctx, Choice{})
}

func prepare(t *testing.T, i *Instance) *Boot {
	t.Helper()
	b, err := cold(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestOneHolder(t *testing.T) {
	c := configure(t)
	first := open(t, c)
	_, err := Open(c, home.DefaultInstance)
	var held *HeldError
	if !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("got %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, c)
}

func TestBadName(t *testing.T) {
	c := configure(t)
	var bad *home.NameError
	if _, err := Open(c, "../vm"); !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

// Everything of an instance is for its user alone, and Close leaves nothing that belongs to one run.
func TestFilesArePrivateAndGo(t *testing.T) {
	i := open(t, configure(t))
	b := prepare(t, i)
	for _, path := range []string{i.Files.FreshDisk, i.Files.ConfigISO, i.Files.MonitorSock, i.Files.AgentSock, i.Files.SerialLog, i.Files.Lock} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if info, err := os.Stat(i.Files.Dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, path := range []string{i.Files.MonitorSock, i.Files.AgentSock} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
}

// A disk that nobody could have written to is made anew; one that somebody could have stays.
func TestOnlyAnOpenedDiskIsKept(t *testing.T) {
	i := open(t, configure(t))
	const marked = 8 << 20
	mark := func(path string) {
		t.Helper()
		if err := os.Truncate(path, marked); err != nil {
			t.Fatal(err)
		}
	}
	isMarked := func(path string) bool {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size() == marked
	}
	prepare(t, i).Close()
	mark(i.Files.FreshDisk)
	b := prepare(t, i)
	if isMarked(i.Files.FreshDisk) {
		t.Error("the fresh disk was used again")
	}
	if err := b.commit(); err != nil {
		t.Fatal(err)
	}
	mark(i.Files.Disk)
	b.Close()
	prepare(t, i)
	if !isMarked(i.Files.Disk) {
		t.Error("the instance has another disk")
	}
}

func TestWhatCannotBePrepared(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, c config.Config)
		want  string
	}{
		{"an image that leads elsewhere", func(t *testing.T, c config.Config) {
			write(t, c.Folders().Image(c.Arch).Disk, string(qemutest.Qcow2("/etc/shadow")))
		}, "backing file"},
		{"an image that is none", func(t *testing.T, c config.Config) { write(t, c.Folders().Image(c.Arch).Disk, "hello") }, "image: "},
		{"an unknown profile", func(t *testing.T, c config.Config) {
			write(t, c.Folders().Image(c.Arch).Sidecar, `{"profile":"nonesuch"}`)
		}, "nonesuch"},
		{"a sidecar that is no JSON", func(t *testing.T, c config.Config) { write(t, c.Folders().Image(c.Arch).Sidecar, "{") }, "image: "},
		{"no QEMU", func(t *testing.T, c config.Config) { t.Setenv("QEMU_SYSTEM_X86_64", "/nonexistent") }, "nonexistent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := configure(t)
			c.spoil(t, conf)
			i := open(t, conf)
			_, err := cold(t.Context(), i)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Lstat(i.Files.MonitorSock); err == nil {
				t.Error("a socket is left")
			}
		})
	}
}

func TestLostBase(t *testing.T) {
	i := open(t, configure(t))
	b := prepare(t, i)
	if err := errors.Join(b.commit(), b.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(i.Files.Base); err != nil {
		t.Fatal(err)
	}
	if _, err := cold(t.Context(), i); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), i.Files.Base) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(i.Files.Disk); err != nil {
		t.Errorf("the user's data is gone: %v", err)
	}
}

func TestTakenPort(t *testing.T) {
	c := configure(t)
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(c.Ports.Dashboard))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = cold(t.Context(), open(t, c))
	var taken *hostport.TakenError
	if !errors.As(err, &taken) || taken.Port != c.Ports.Dashboard {
		t.Errorf("got %v", err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cold(ctx, open(t, configure(t))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The pid file may name a process that has nothing to do with us: it must not be touched.
func TestForeignPIDIsLeftAlone(t *testing.T) {
	i := open(t, configure(t))
	write(t, i.Files.PID, strconv.Itoa(os.Getppid())+"\n")
	s, err := i.Survey(t.Context(), Limits{})
	notes := slices.DeleteFunc(s.Notes, func(n string) bool { return strings.HasPrefix(n, "/dev/kvm is there but not for this user") })
	if err != nil || len(notes) > 0 {
		t.Errorf("notes: %q, %v", notes, err)
	}
}

func TestLastWords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "serial.log")
	if got := lastWords(path); got != "" {
		t.Errorf("of a file that is not there: %q", got)
	}
	write(t, path, "")
	if got := lastWords(path); got != "" {
		t.Errorf("of an empty file: %q", got)
	}
	write(t, path, strings.Repeat("early\r\n", 2000)+"\x1b[31mpanic\x07\r\nlast")
	got := lastWords(path)
	if !strings.HasSuffix(got, "  | early\n  | [31mpanic\n  | last") || strings.Count(got, "\n") != tailLines || !strings.Contains(got, path) {
		t.Errorf("got %q", got)
	}
}
