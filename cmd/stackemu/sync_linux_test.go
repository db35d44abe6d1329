package main

import (
	"bufio"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/clitest"
)

// under runs a command with strace between it, and all that it starts, and the kernel. It has ended when all of them have.
func (e *emulator) under(options []string, args ...string) *clitest.Command {
	e.Helper()
	strace, err := exec.LookPath("strace")
	if err == nil {
		err = exec.Command(strace, "-o", os.DevNull, "true").Run()
	}
	if err != nil {
		e.Skipf("strace is not there, or not allowed to look: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		e.Fatal(err)
	}
	all := append([]string{"-D", "-f", "-qq"}, options...)
	return clitest.Start(e, time.Minute, e.env, strace, append(append(all, self), args...)...)
}

// A power cut may keep a name and forget what was written to the file, or the name: what has not been synced gets no name that counts,
// and a name is on the disk before anybody is told.
func TestNoNameBeforeASync(t *testing.T) {
	t.Parallel()
	p := newPublished(t, healthy)
	p.server.Release("emulator-dev-latest", imageName, diskWith(1))
	log := filepath.Join(t.TempDir(), "calls")
	options := []string{"-y", "-s", "0", "-o", log, "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,write,pwrite64,ftruncate"}
	for _, line := range []string{"pull", "up", "up", "snapshot pack", "up"} {
		c := p.under(options, strings.Fields(line)...)
		if line == "up" {
			c.Until(`^default +ready`)
			c.Interrupt()
		}
		if code := c.End(); code != 0 {
			t.Fatalf("%s: exit code %d: %s\n%s", line, code, c.Stderr(), c.Stdout())
		}
		checkNames(t, line, p.home, log)
	}
}

// A disk that does not take what it was given says so when it is synced, and only then.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	p := newPublished(t, healthy)
	failing := []string{"-o", filepath.Join(t.TempDir(), "calls"), "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"}
	fails := func(line, why string, more ...string) {
		t.Helper()
		c := p.under(append(failing[:len(failing):len(failing)], more...), strings.Fields(line)...)
		if line == "up" {
			c.Until(`^default +ready`)
			c.Interrupt()
		}
		if code := c.End(); code != exitFailed {
			t.Errorf("%s: exit code %d: %s\n%s", line, code, c.Stderr(), c.Stdout())
		}
		p.complains(c, why)
	}
	before, err := os.ReadFile(p.file("images", imageName))
	if err != nil {
		t.Fatal(err)
	}
	p.server.Release("emulator-dev-latest", imageName, diskWith(1))
	fails("pull", "^stackemu: pull: .*input/output error")
	p.has(before)
	p.run(0, "pull", "--skip-snapshot")
	p.has(diskWith(1))

	fails("capture", "^stackemu: capture: .*input/output error")
	if left := p.snapshots(); len(left) != 0 {
		t.Errorf("a capture that failed has left %q", left)
	}
	p.run(0, "capture")

	session := p.file("run", "vm", "session.new")
	fails("up", "^stackemu: default: the guest was cut off before it had shut down: the session could not be saved: session: .*input/output error",
		"-P", filepath.Join(session, "ram.img"), "-P", filepath.Join(session, "device.state"))
	c := p.start("up")
	c.Until("cold-booting")
	c.Until(`^default +ready`)
	p.stop(c)
}

var (
	// What a power cut may have as it likes: a file of zeros, what can be computed again, what is said of a VM that would be gone, how
	// the last run has ended, and logs.
	worthNothing = regexp.MustCompile(`/(placeholder\.img|digest-[^/]*\.json|vm\.json|status\.json|[^/]*\.(log|jsonl)(\.\d+)?)$`)
	// What is being made, and is removed when it was left over.
	unfinished = regexp.MustCompile(`/(\.new-[^/]*|session\.new)/|/\.[^/]*$|\.new$`)

	fileCall   = regexp.MustCompile(`^\d+ +(write|pwrite64|ftruncate|fsync|fdatasync)\(\d+<(/[^>]*)>`)
	renameCall = regexp.MustCompile(`^\d+ +rename\w*\(.*?"([^"]+)".*?"([^"]+)"(?:, \w+)?\) += 0`)
)

// checkNames goes through the calls that strace has seen.
func checkNames(t *testing.T, command, home, log string) {
	t.Helper()
	calls, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer calls.Close()
	files, dirs := map[string]bool{}, map[string]string{} // that were not synced since they were written to, or something in them got a name
	names := 0
	for lines := bufio.NewScanner(calls); lines.Scan(); {
		if m := fileCall.FindStringSubmatch(lines.Text()); m != nil {
			if files[m[2]] = !strings.HasSuffix(m[1], "sync"); !files[m[2]] {
				delete(dirs, m[2])
			}
		}
		m := renameCall.FindStringSubmatch(lines.Text())
		if m == nil || !strings.HasPrefix(m[2], home) || worthNothing.MatchString(m[2]) {
			continue
		}
		from, to := m[1], m[2]
		for path, lost := range maps.Clone(files) {
			if rest, below := strings.CutPrefix(path, from); lost && below && (rest == "" || rest[0] == '/') {
				delete(files, path)
				files[to+rest] = true
				if !unfinished.MatchString(to) {
					t.Errorf("%s: %s was not synced before it got the name %s", command, path, to)
				}
			}
		}
		if dir, inside := dirs[from]; inside {
			t.Errorf("%s: %s was not synced after %s got its name, and before it got the name %s", command, from, dir, to)
		}
		if base := filepath.Base(to); !strings.HasPrefix(base, ".") && !strings.HasSuffix(base, ".new") {
			dirs[filepath.Dir(to)] = to
			names++
		}
	}
	for dir, name := range dirs {
		t.Errorf("%s: %s was not synced after %s got its name", command, dir, name)
	}
	if names == 0 {
		t.Errorf("%s: nothing got a name", command)
	}
}
