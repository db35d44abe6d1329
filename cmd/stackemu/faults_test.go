package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Somebody takes a port between the look at it and its use. The start fails, and says who has it; the next one works.
func TestStolenPort(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"resuming", "refreshing"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			e := newBackground(t, healthy)
			e.run(0, "capture")
			e.plan(state + "." + port)
			c := e.start(traced("start")...)
			code := c.End()
			if code != exitFailed {
				t.Errorf("exit code %d", code)
			}
			e.complains(c, fmt.Sprintf(`^stackemu: default: .*backend: .*%d.*pid \d+`, e.port["BACKEND"]))
			e.run(0, "start")
			e.rotated()
			e.stopped("default")
		})
	}
}

// A clock that was set back or forward makes times that cannot be; nothing depends on them but words.
func TestClockWasSet(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{"back": 400 * 24 * time.Hour, "forward": -400 * 24 * time.Hour} { // what was written is later, or earlier
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newBackground(t, healthy)
			e.run(0, "start")
			key := e.rotated()
			e.killSupervisor()
			e.shiftTimes(by)
			e.look()
			e.says(e.run(0, "start"), "^default  ready  taken over in ")
			if by > 0 {
				e.says(e.run(0, "status"), "^state +ready, up 0s")
			}
			if now := e.rotated(); now != key {
				t.Errorf("the key was %s and is %s", key, now)
			}
			e.run(0, "stop")
			e.shiftTimes(by)
			e.look()
			e.run(0, "start")
			if now := e.rotated(); now != key {
				t.Errorf("the key was %s and is %s", key, now)
			}
			e.stopped("default")
		})
	}
}

// shiftTimes is what the files of the instance look like after a step of the clock the other way.
func (e *emulator) shiftTimes(by time.Duration) {
	e.Helper()
	for _, name := range []string{"run/vm/vm.json", "run/vm/status.json", "cache"} {
		path := e.file(name)
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if !info.IsDir() {
			text, err := os.ReadFile(path)
			if err != nil {
				e.Fatal(err)
			}
			text = regexp.MustCompile(`"20\d\d-[^"]+"`).ReplaceAllFunc(text, func(old []byte) []byte {
				var at time.Time
				if json.Unmarshal(old, &at) != nil {
					return old
				}
				now, _ := json.Marshal(at.Add(by))
				return now
			})
			if err := os.WriteFile(path, text, 0o600); err != nil {
				e.Fatal(err)
			}
		}
		if err := os.Chtimes(path, info.ModTime().Add(by), info.ModTime().Add(by)); err != nil {
			e.Fatal(err)
		}
	}
}

// Two commands at the same time, in every combination that changes something: each comes to an end and says what it has done or
// why not, there is never a second VM, and the next start works.
func TestTwoCommandsAtOnce(t *testing.T) {
	t.Parallel()
	changing := []string{"start", "stop", "restart", "stop --kill", "capture --force", "snapshot prune", "reset --yes", "bug-report --output "}
	const few, shards = 2, 3
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			e := newBackground(t, healthy)
			e.run(0, "start")
			n := 0
			for i, one := range changing {
				for _, other := range changing[i:] {
					if n++; n%shards == shard {
						e.both(one, other)
					}
				}
			}
			key, _, _ := strings.Cut(e.snapshots()[0], ".")
			for _, one := range []string{"prune", "snapshot pack", "snapshot rm --yes " + key, "run -- true"} { // beside a few, and itself
				for _, other := range append(slices.Clone(changing[:few]), one) {
					if n++; n%shards != shard {
						continue
					}
					if other != "stop" {
						e.run(0, "stop")
						e.run(0, "reset", "--yes") // the next start wants the snapshot
					}
					e.both(one, other)
				}
			}
			e.stopped("default")
		})
	}
}

func (e *emulator) both(one, other string) {
	e.Helper()
	var ends []func() int
	for n, line := range []string{one, other} {
		args := strings.Fields(line)
		if args[len(args)-1] == "--output" {
			args = append(args, filepath.Join(e.TempDir(), "report"))
		}
		c := e.start(args...)
		ends = append(ends, func() int {
			code := c.End()
			if !slices.Contains([]int{0, exitFailed}, code) || code != 0 && !strings.HasPrefix(c.Stderr(), "stackemu: ") && !strings.Contains(c.Stderr(), "\nstackemu: ") {
				e.Errorf("%q and %q at once: %d: exit code %d: %s", one, other, n, code, c.Stderr())
			}
			return code
		})
	}
	for _, end := range ends {
		end()
	}
	e.run(0, "start")
	e.rotated()
	e.machines(1)
}
