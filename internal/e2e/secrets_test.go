package e2e

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu"
)

// guests are the files that hold what the guest knows: its disk, its memory.
var guests = regexp.MustCompile(`^run/[^/]+/(disk(\.fresh)?\.qcow2|ram\.img|session(\.live|\.new)?/(ram\.img|device\.state|savevm\.raw))$`)

// The secrets of a running instance are in the guest, and the publishable key where the product's tools look for it; they
// are in no log, command line or environment, and in no file that others can read.
func TestSecretsAreNowhereElse(t *testing.T) {
	e := newEmulator(t)
	c := e.start("--log-level", "trace", "up")
	c.Until(`^default +ready`)
	e.worksWith(e.key())
	var secrets [][]byte
	for line := range strings.Lines(e.run(0, "exec", "--", "cat", "/run/stack-auth/rotated-secrets.env")) {
		if _, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && len(value) == 64 {
			secrets = append(secrets, []byte(value))
		}
	}
	if len(secrets) < 4 {
		t.Fatalf("%d secrets in the guest", len(secrets))
	}
	processes := e.processes(c.PID())
	e.notIn("the processes", secrets, processes)
	for name, text := range processes {
		if strings.HasSuffix(name, "limits") && !regexp.MustCompile(`(?m)^Max core file size +0 `).Match(text) {
			t.Errorf("%s: a core file would have secrets in it:\n%s", name, text)
		}
	}
	e.searchHome(secrets)
	e.stop(c)
	e.searchHome(secrets)
	e.notIn("the logs", secrets, map[string][]byte{"standard output": []byte(c.Stdout()), "standard error": []byte(c.Stderr())})
	report := filepath.Join(t.TempDir(), "report")
	e.run(0, "bug-report", "--output", report)
	e.notIn("a file for others", secrets, map[string][]byte{"bug report": e.unpacked(report)})
}

// unpacked is what is in a compressed file.
func (e *emulator) unpacked(path string) []byte {
	e.Helper()
	f, err := os.Open(path)
	if err != nil {
		e.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		e.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || len(text) == 0 {
		e.Fatal(err)
	}
	return text
}

func (e *emulator) notIn(where string, secrets [][]byte, texts map[string][]byte) {
	e.Helper()
	for name, text := range texts {
		for n, secret := range secrets {
			if bytes.Contains(text, secret) {
				e.Errorf("secret %d is in %s: %s", n, where, name)
			}
		}
	}
}

// processes is what anybody of this user, and for command lines anybody at all, can see of the processes of this system.
func (e *emulator) processes(supervisor int) map[string][]byte {
	e.Helper()
	texts := map[string][]byte{}
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		e.Fatal(err)
	}
	for _, path := range paths {
		for _, name := range []string{"cmdline", "environ"} {
			path := filepath.Join(filepath.Dir(path), name)
			if text, err := os.ReadFile(path); err == nil {
				texts[path] = text
			}
		}
	}
	vm, err := qemu.ReadPID(e.file("qemu.pid"))
	if err != nil {
		e.Fatal(err)
	}
	for name, pid := range map[string]int{"supervisor": supervisor, "QEMU": vm.PID} {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "limits"))
		if err != nil {
			e.Fatal(err)
		}
		texts[name+" limits"] = text
	}
	return texts
}

// searchHome looks at every file of the home, and at who may read it.
func (e *emulator) searchHome(secrets [][]byte) {
	e.Helper()
	err := filepath.WalkDir(e.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(e.home, path)
		if mode := info.Mode(); mode&fs.ModeSymlink == 0 && mode.Perm()&0o077 != 0 {
			e.Errorf("others can read %s: %v", name, mode)
		}
		if !info.Mode().IsRegular() || guests.MatchString(name) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for n, secret := range secrets {
			// The publishable key is the one that is published.
			if bytes.Contains(text, secret) && !(filepath.Base(name) == "internal-pck" && bytes.Equal(bytes.TrimSpace(text), secret)) {
				e.Errorf("secret %d is in %s", n, name)
			}
		}
		return nil
	})
	if err != nil {
		e.Error(err)
	}
}
