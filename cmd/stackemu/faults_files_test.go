package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/clitest"
)

// linesMode makes the test binary run each of its arguments as a command line, one after the other, which is quicker than a
// process for each.
const linesMode = "lines"

func runLines(lines []string) {
	_ = os.Setenv("STACKEMU_TEST_RUN", "1") // for the supervisors that they start
	for _, line := range lines {
		fmt.Printf("$ %s\n", line)
		fmt.Fprintf(os.Stderr, "$ %s\n", line)
		os.Args = append([]string{"stackemu"}, strings.Fields(line)...)
		fmt.Fprintf(os.Stderr, "= %d\n", run(os.Args))
	}
}

// harmless are the commands that change nothing, or only what no start needs.
var harmless = []string{"status", "status --json", "ls", "ls --json", "env", "open --url", "exec -n -- nothing", "snapshot ls", "snapshot check",
	"doctor", "trace", "trace --explain", "trace --json", "config show", "config show --json", "prune --dry-run", "snapshot prune --dry-run",
	"logs -n 3", "logs -n 3 --source serial", "logs -n 3 --source qemu", "logs -n 3 --source messages"}

// others are for a stopped instance, and joining for one that runs. Each of them in turn will do.
var (
	others  = []string{"attach", "restart --offline", "run --offline -- true"}
	joining = []string{"capture", "run -- true", "snapshot pack", "snapshot prune", "prune"}
)

// look runs all of the harmless ones. Each has to end, without a panic, and to say why if it fails.
func (e *emulator) look(more ...string) {
	e.Helper()
	self, err := os.Executable()
	if err != nil {
		e.Fatal(err)
	}
	report := filepath.Join(e.TempDir(), "report.tar.gz")
	lines := slices.Concat(harmless, []string{"bug-report --output " + report}, more)
	c := clitest.Start(e, 3*time.Minute, append(e.env, "STACKEMU_TEST_RUN="+linesMode), self, lines...)
	if code := c.End(); code != 0 {
		e.Errorf("exit code %d: %s", code, c.Stderr())
	}
	text := c.Stderr()
	if n := strings.Count(text, "\n= "); n != len(lines) {
		e.Errorf("%d of %d commands came to an end: %s", n, len(lines), text)
	}
	said := map[string]string{} // by command; errors in JSON are on standard output
	for part := range strings.SplitSeq(c.Stdout()+"\n"+text, "$ ") {
		command, rest, _ := strings.Cut(part, "\n")
		said[command] += rest + "\n"
	}
	for command, rest := range said {
		failed := regexp.MustCompile(`(?m)^= [12]$`).MatchString(rest)
		if failed && !regexp.MustCompile(`(?m)^stackemu: \S|"error":`).MatchString(rest) && !strings.HasPrefix(command, "doctor") && !strings.HasPrefix(command, "snapshot check") {
			e.Errorf("%s fails without a word: %s", command, rest)
		}
	}
}

// damages are what can become of a file.
var damages = []struct {
	name string
	do   func(path string) error
}{
	{"halved", truncate},
	{"emptied", func(path string) error { return errors.Join(os.Chmod(path, 0o600), os.Truncate(path, 0)) }},
	{"flipped", flip},
	{"removed", os.Remove},
}

// flip changes the first and the middle byte of a file.
func flip(path string) error {
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	for _, at := range []int64{0, info.Size() / 2} {
		b := make([]byte, 1)
		if _, err := f.ReadAt(b, at); err != nil {
			return err
		}
		b[0] ^= 0x40
		if _, err := f.WriteAt(b, at); err != nil {
			return err
		}
	}
	return nil
}

// saved is what a file was before it was damaged. It is put back in place, for it may have more than one name.
type saved struct {
	path string
	text []byte
	info fs.FileInfo
}

const largestSaved = 8 << 20 // bytes; larger ones are RAM, which no data depends on

func (e *emulator) save(path string) *saved {
	e.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		e.Fatal(err)
	}
	if !info.Mode().IsRegular() || info.Size() > largestSaved {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		e.Fatal(err)
	}
	return &saved{path, text, info}
}

// restore puts the bytes back.
func (s *saved) restore() error {
	if s == nil {
		return nil
	}
	_ = os.Chmod(s.path, 0o600)
	return errors.Join(os.WriteFile(s.path, s.text, 0o600), os.Chmod(s.path, s.info.Mode().Perm()), os.Chtimes(s.path, s.info.ModTime(), s.info.ModTime()))
}

// files are the regular files of the home, by their names in it.
func (e *emulator) files() (names []string) {
	e.Helper()
	err := filepath.WalkDir(e.home, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.Contains(path, ".broken-") {
			name, _ := filepath.Rel(e.home, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		e.Fatal(err)
	}
	return names
}

// Whatever has happened to a file of a stopped instance: every command says what there is to say, a start works or names what
// is wrong, and once the file is back, so is everything.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	const shards = 4
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			e := newBackground(t, healthy)
			e.allPorts()
			e.run(0, "start")
			key := e.rotated()
			e.run(0, "stop")
			for n, name := range e.files() {
				if n%shards == shard {
					for m, d := range slices.Delete(slices.Clone(damages), n/shards%2, n/shards%2+1) { // halved or emptied: half of each will do
						key = e.damaged(key, name, d.name, d.do, others[(n/shards+m)%len(others)])
					}
				}
			}
		})
	}
}

// fresh are the files without which an instance has another key.
var fresh = []string{"run/vm/disk.qcow2", "run/vm/internal-pck"}

// damaged has one thing happen to a file, and one command meet it, and gives the key that the instance has afterwards.
func (e *emulator) damaged(key, name, how string, do func(string) error, command string) string {
	e.Helper()
	path := e.file(name)
	if _, err := os.Lstat(path); err != nil {
		return key // the way to it was another damage's
	}
	before := e.save(path)
	if err := do(path); err != nil {
		e.Fatal(err)
	}
	e.look(command, "stop")
	c := e.start("start", "--offline")
	code := c.End()
	if code != 0 || strings.HasPrefix(name, "images/") { // which an instance with a disk of its own does without
		if err := before.restore(); err != nil {
			e.Fatal(err)
		}
	}
	if code != 0 {
		if !regexp.MustCompile(`(?m)^stackemu: default: .*` + regexp.QuoteMeta(filepath.Base(name))).MatchString(c.Stderr()) {
			e.Errorf("%s %s: start: exit code %d: %s", name, how, code, c.Stderr())
		}
		e.run(0, "start")
	}
	now := e.rotated()
	if now != key && !slices.Contains(fresh, name) {
		e.Errorf("%s %s: the key was %s and is %s", name, how, key, now)
	}
	e.run(0, "stop")
	aside, _ := filepath.Glob(e.file("*", "*", "*.broken-*"))
	store, _ := filepath.Glob(e.file("snapshots", "*.broken-*"))
	for _, dir := range append(aside, store...) {
		if err := os.RemoveAll(dir); err != nil {
			e.Fatal(err)
		}
	}
	return now
}

// The same of a running instance, as far as its files are not QEMU's: nobody notices, and its stop saves everything.
func TestDamagedFilesOfARunningInstance(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.allPorts()
	e.run(0, "start")
	key := e.rotated()
	published := e.save(e.file("run/vm/internal-pck"))
	turn := 0
	for _, name := range []string{"run/ports.json", "run/vm/vm.json", "run/vm/status.json", "run/vm/internal-pck", "run/vm/messages.jsonl", "run/vm/serial.log", "run/vm/qemu.log",
		"run/vm/supervisor.log", "run/vm/lock", "run/vm/runtime-config.iso", "images/stack-emulator-amd64.qcow2.json", "images/placeholder.img"} {
		for _, d := range []int{1, 3} { // emptied, removed
			path := e.file(name)
			if _, err := os.Lstat(path); err != nil {
				continue
			}
			if err := damages[d].do(path); err != nil {
				t.Fatal(err)
			}
			e.look("start", joining[turn%len(joining)])
			turn++
		}
	}
	if err := published.restore(); err != nil { // without it the next start makes another one
		t.Fatal(err)
	}
	e.run(0, "stop")
	e.run(0, "start")
	if !e.accepts(key) {
		t.Error("the key is another one")
	}
	e.stopped("default")
}

// RAM that is cut off below a VM is a SIGBUS for its QEMU: a death like others. Nobody goes on from what is left of the file.
func TestRAMIsCutOffBelowAVM(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.run(0, "start")
	key, before := e.rotated(), e.status(0, "default")
	follower := e.start("attach", "--json")
	follower.Until(`"state":"ready"`)
	if err := truncate(e.file("snapshots", e.snapshots()[0], "ram.img")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(before.VM.PID, syscall.SIGBUS); err != nil { // which the fake one, that has no such RAM, does not get by itself
		t.Fatal(err)
	}
	follower.Until(`"state":"backoff"`)
	follower.Until(`"state":"ready"`)
	if now := e.status(0, "default"); now.VM.PID == before.VM.PID || now.How != "cold" {
		t.Errorf("got %+v", now)
	}
	if now := e.rotated(); now != key {
		t.Errorf("the key was %s and is %s", key, now)
	}
	e.stopped("default")
	e.run(0, "reset", "--yes")
	e.complains(e.run(0, "start"), "set aside a damaged snapshot: .*ram.img")
	e.rotated()
	e.stopped("default")
}

// What a killed supervisor has left may be damaged, too. A VM that cannot be taken over is shut down, and its disk boots.
func TestDamagedOrphan(t *testing.T) {
	t.Parallel()
	for shard, names := range [][]string{{"qemu.pid", "vm.json", "lock"}, {"control.sock", "monitor.sock", "qga.sock", "status.json"}} {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			e := newBackground(t, healthy)
			e.run(0, "start")
			key := e.rotated()
			for _, name := range names {
				for _, d := range damages {
					if strings.HasSuffix(name, ".sock") && d.name != "removed" {
						continue
					}
					e.killSupervisor()
					if err := d.do(e.file("run/vm", name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
						t.Fatal(err)
					}
					e.look("attach")
					c := e.run(0, "start")
					if now := e.rotated(); now != key {
						t.Errorf("%s %s: the key was %s and is %s\n%s", name, d.name, key, now, c.Stderr())
					}
					e.machines(1)
				}
			}
			e.stopped("default")
		})
	}
}
