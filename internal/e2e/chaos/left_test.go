//go:build linux

package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/stackemu/stackemu/internal/hostport"
	"github.com/stackemu/stackemu/internal/trace"
	"github.com/stackemu/stackemu/internal/tracetest"
)

// farewell is how long a supervisor may take to end that has given its instance back and said its last word.
const farewell = 20 * time.Second

// kept is what a stopped instance may have in its directory. All else is left over.
var kept = regexp.MustCompile(`^(lock|disk\.qcow2|disk\.fresh\.qcow2|base\.qcow2|layer\.qcow2|ram\.img|runtime-config\.iso|internal-pck|status\.json` +
	`|(serial|qemu|supervisor)\.log(\.\d)?|messages\.jsonl(\.\d)?|session|session\.broken-[-0-9.]+)$`)

// nothingLeft checks what must be so when nothing runs: no process, no socket, no lock that is held, no temporary file, no port.
func (h *house) nothingLeft() {
	h.Helper()
	left := h.processes()
	for end := time.Now().Add(farewell); len(left) > 0 && time.Now().Before(end); left = h.processes() {
		time.Sleep(50 * time.Millisecond)
	}
	for _, p := range left {
		h.Errorf("a process is left: %s", p)
	}
	names, err := h.config.Folders().Instances()
	if err != nil {
		h.Fatal(err)
	}
	for _, name := range names {
		f := h.files(name)
		entries, err := os.ReadDir(f.Dir)
		if err != nil {
			h.Error(err)
		}
		broken := 0
		for _, e := range entries {
			if !kept.MatchString(e.Name()) {
				h.Errorf("%s is left", filepath.Join(f.Dir, e.Name()))
			}
			if strings.Contains(e.Name(), ".broken-") {
				broken++
			}
		}
		if broken > 1 {
			h.Errorf("%s: %d broken sessions are kept", name, broken)
		}
		lock := flock.New(f.Lock)
		if free, err := lock.TryLock(); !free {
			h.Errorf("%s: its lock is held: %v", name, err)
		}
		_ = lock.Close()
	}
	for _, pattern := range []string{".*", ".run/*", "snapshots/.new-*", "run/.*", "*/.ports*", "cache/.*"} {
		left, _ := filepath.Glob(filepath.Join(h.dir, pattern))
		for _, path := range left {
			if filepath.Base(path) != ".capture" {
				h.Errorf("%s is left", path)
			}
		}
	}
	for port := range h.given {
		if err := errors.Join(hostport.Check(port), hostport.Check(port+1)); err != nil {
			h.Error(err)
		}
	}
}

// allHandled checks that the message logs tell of each failure what came of it.
func (h *house) allHandled() {
	h.Helper()
	names, err := h.config.Folders().Instances()
	if err != nil {
		h.Fatal(err)
	}
	for _, name := range names {
		log, err := trace.ReadFiles(h.files(name).MessagesLog)
		if err != nil {
			h.Error(err)
			continue
		}
		for _, loose := range tracetest.Unhandled(log) {
			h.Errorf("%s: %s", name, loose)
		}
	}
}

// processes are those whose command line or environment names our home.
func (h *house) processes() (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		if dir == fmt.Sprintf("/proc/%d", os.Getpid()) {
			continue
		}
		argv, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if bytes.Contains(argv, []byte(h.dir)) || bytes.Contains(env, []byte("STACK_EMULATOR_HOME="+h.dir)) {
			found = append(found, filepath.Base(dir)+" "+string(bytes.ReplaceAll(argv, []byte{0}, []byte{' '})))
		}
	}
	return found
}
