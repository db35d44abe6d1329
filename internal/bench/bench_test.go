package bench

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stackemu/stackemu/internal/snapshot"
)

// fakeLab measures nothing: every start takes a second of the test's own time.
type fakeLab struct {
	mu       sync.Mutex
	log      []string
	alive    int // guests that have not been ended
	most     int // of them at a time
	fail     map[string]error
	captures int
}

func (l *fakeLab) did(ctx context.Context, what string) error {
	l.mu.Lock()
	l.log = append(l.log, what)
	err := l.fail[what]
	l.mu.Unlock()
	return errors.Join(wait(ctx, time.Second), err)
}

func (l *fakeLab) capture(ctx context.Context, s setup) error {
	l.mu.Lock()
	l.captures++
	l.mu.Unlock()
	return l.did(ctx, strings.TrimSpace("capture "+string(s.format)))
}

func (l *fakeLab) start(ctx context.Context, s setup) (guest, error) {
	what := "up"
	if s.cold {
		what = "cold"
	}
	if err := l.did(ctx, what); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alive++
	l.most = max(l.most, l.alive)
	return &fakeGuest{lab: l}, nil
}

func (l *fakeLab) floor(ctx context.Context, _ setup) (time.Duration, error) {
	return time.Second / 2, l.did(ctx, "floor")
}

func (l *fakeLab) restart(ctx context.Context, _ setup) (run, answered time.Duration, err error) {
	return time.Second, 2 * time.Second, l.did(ctx, "restart")
}

func (l *fakeLab) boot(ctx context.Context, _ setup) (map[string]time.Duration, error) {
	took := bootMarks{firstRead: 1, loaded: 2, init: 3, systemd: 4, stack: 5, ready: 6}.stages()
	return took, l.did(ctx, "boot")
}

func (l *fakeLab) imageSize() (int64, error) { return 200e6, l.fail["size"] }

func (l *fakeLab) unpack(ctx context.Context, _ setup) (time.Duration, error) {
	return time.Second, l.did(ctx, "unpack")
}

func (l *fakeLab) zstd(ctx context.Context, _ setup) (time.Duration, error) {
	return 2 * time.Second, l.did(ctx, "zstd")
}

func (l *fakeLab) soak(_ setup, instances int) (soak, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alive++
	return &fakeSoak{lab: l, instances: instances}, nil
}

// fakeSoak forgets a descriptor in each cycle.
type fakeSoak struct {
	lab       *fakeLab
	instances int
	cycles    int
}

func (s *fakeSoak) cycle(ctx context.Context) (cycle, error) {
	s.cycles++
	c := cycle{start: time.Second, stop: time.Second, disk: 10}
	for range s.instances {
		c.supervisors = append(c.supervisors, soaked{usage{rss: 30, descriptors: 20 + s.cycles}, 40})
	}
	return c, s.lab.did(ctx, "cycle")
}

func (s *fakeSoak) end() error {
	s.lab.mu.Lock()
	defer s.lab.mu.Unlock()
	s.lab.alive--
	return nil
}

type fakeGuest struct {
	lab   *fakeLab
	ended bool
	seen  int
}

func (g *fakeGuest) took() time.Duration { return time.Second }
func (g *fakeGuest) memory() (memory, error) {
	return memory{"Private_Dirty": 100 << 10}, g.lab.fail["memory"]
}
func (g *fakeGuest) supervisor() (usage, error) {
	g.seen++
	return usage{cpu: time.Duration(g.seen) * 60 * time.Millisecond, rss: 30}, nil
}
func (g *fakeGuest) machine() (usage, error) {
	return usage{cpu: time.Duration(g.seen) * 600 * time.Millisecond}, nil
}
func (g *fakeGuest) stop(ctx context.Context) (time.Duration, error) {
	return time.Second, g.lab.did(ctx, "stop")
}
func (g *fakeGuest) again(ctx context.Context) error { return g.lab.did(ctx, "again") }
func (g *fakeGuest) end() error {
	g.lab.mu.Lock()
	defer g.lab.mu.Unlock()
	if !g.ended {
		g.lab.alive--
	}
	g.ended = true
	return nil
}

// try runs a bench with a fake lab in the test's own time, until after (0 for the end).
func try(t *testing.T, l *fakeLab, only string, runs int, until time.Duration) (r Report, err error) {
	t.Helper()
	letters, parseErr := ParseOnly(only)
	if parseErr != nil {
		t.Fatal(parseErr)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if until > 0 {
			defer time.AfterFunc(until, cancel).Stop()
		}
		r, err = run(ctx, l, Host{GuestRAM: 4096}, Options{Runs: runs, Cycles: 10, Only: letters, Instances: []int{1, 2, 4}})
	})
	if l.alive != 0 {
		t.Errorf("%d guests are left", l.alive)
	}
	return r, err
}

// notes are those of the rows that have one.
func notes(r Report) map[string]string {
	all := map[string]string{}
	for _, row := range r.Rows {
		if row.Note != "" {
			all[row.ID] = row.Note
		}
	}
	return all
}

func TestRunAll(t *testing.T) {
	l := &fakeLab{}
	r, err := try(t, l, "", 3, 0)
	if err != nil || len(notes(r)) > 0 {
		t.Errorf("%v, %v", err, notes(r))
	}
	samples := map[string]int{}
	for _, row := range r.Rows {
		samples[row.ID] = len(row.Samples)
	}
	want := map[string]int{"a": 3, "b": 3, "c": 3, "c.run": 3, "c.answer": 3, "d": 3, "e": 3, "e.firmware": 3, "e.loader": 3, "e.kernel": 3, "e.initrd": 3, "e.units": 3,
		"e.services": 3, "e.image": 1, "s.stop": 3, "s": 3,
		"f.1.start": 3, "f.1.all": 3, "f.1.private": 3, "f.1.dirty": 3, "f.1.shared": 3,
		"f.2.start": 6, "f.2.all": 3, "f.2.private": 6, "f.2.dirty": 6, "f.2.shared": 6, "f.second": 3,
		"f.4.start": 12, "f.4.all": 3, "f.4.private": 12, "f.4.dirty": 12, "f.4.shared": 12,
		"g.1024": 3, "g.2048": 3, "g.4096": 3, "h.ours": 3, "h.zstd": 3, "p.cpu": 3, "p.rss": 3, "p.guest": 3}
	if !maps.Equal(samples, want) {
		t.Errorf("samples: %v", samples)
	}
	if l.captures != 4 { // 4096, the same mapped, 1024, 2048
		t.Errorf("%d captures", l.captures)
	}
	if l.most != 4 {
		t.Errorf("%d guests at a time", l.most)
	}
	if first := strings.Join(slices.DeleteFunc(l.log, func(s string) bool { return strings.HasPrefix(s, "capture") })[:10], " "); first != "floor up up restart up floor up up restart up" {
		t.Errorf("they do not take turns: %s", first)
	}
	for _, c := range r.Claims {
		if c.Verdict != Pass {
			t.Errorf("%+v", c)
		}
	}
}

func TestOnly(t *testing.T) {
	l := &fakeLab{}
	r, err := try(t, l, "e,h", 1, 0)
	if err != nil || len(r.Rows) != 10 || r.Rows[0].ID != "e" || r.Rows[7].ID != rowImage || r.Rows[8].ID != rowUnpack || r.Rows[9].ID != rowZstd {
		t.Errorf("%v, %+v", err, r.Rows)
	}
	if got := strings.Join(l.log, " "); got != "cold boot capture unpack zstd" {
		t.Errorf("did %s", got)
	}
}

// What fails says why, is given up soon, and ends nothing else.
func TestFailures(t *testing.T) {
	l := &fakeLab{fail: map[string]error{
		"capture " + string(snapshot.MappedRAM): &skip{"no mapped-ram"},
		"restart":                               errors.New("no\nguest tools"),
		"zstd":                                  &skip{"zstd is not installed"},
		"memory":                                errors.New("no memory"),
		"again":                                 errors.New("no session"),
		"size":                                  errors.New("no image"),
	}}
	r, err := try(t, l, "", 5, 0)
	if err != nil {
		t.Error(err)
	}
	want := map[string]string{"d": "skipped: no mapped-ram", "c.run": "failed: no guest tools", "c.answer": "failed: no guest tools",
		"h.zstd": "skipped: zstd is not installed", "e.image": "failed: no image", "s": "failed: no session", "s.stop": "in 2 of 5 runs; one failed: no session"}
	for id, note := range notes(r) {
		if strings.HasPrefix(id, "f.") && note == "failed: no memory" {
			continue
		}
		if want[id] != note {
			t.Errorf("%s: %s", id, note)
		}
		delete(want, id)
	}
	if len(want) > 0 {
		t.Errorf("no word of %v", want)
	}
	for _, id := range []string{"a", "b", "c", "e", rowUnpack} {
		if row := r.row(id); row == nil || len(row.Samples) != 5 {
			t.Errorf("%s has suffered: %+v", id, row)
		}
	}
	if n := strings.Count(strings.Join(l.log, " "), "restart"); n != patience {
		t.Errorf("%d times the same failure", n)
	}
}

// A soak is one run of many cycles, and what grows in it is found.
func TestSoak(t *testing.T) {
	l := &fakeLab{}
	r, err := try(t, l, "z", 5, 0)
	if err != nil || len(notes(r)) > 0 {
		t.Errorf("%v, %v", err, notes(r))
	}
	if n := strings.Count(strings.Join(l.log, " "), "cycle"); n != 20 { // of one, and of four
		t.Errorf("%d cycles", n)
	}
	if row := r.row("z.4.rss"); row == nil || len(row.Samples) != 40 {
		t.Errorf("got %+v", row)
	}
	for _, c := range r.Claims {
		want := Unmeasured
		if strings.Contains(c.Text, "cycles") {
			want = map[bool]string{true: Fail, false: Pass}[strings.Contains(c.Text, "descriptors")]
		}
		if c.Verdict != want {
			t.Errorf("%s: %s, want %s", c.Text, c.Verdict, want)
		}
	}
}

func TestUsage(t *testing.T) {
	stat := []byte("4242 (a) name (x) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 7 0 123 456 789\n")
	if cpu, err := parseCPU(stat); err != nil || cpu != 2*time.Second {
		t.Errorf("got %v, %v", cpu, err)
	}
	if _, err := parseCPU([]byte("4242 (x) S 1")); err == nil {
		t.Error("half a line is enough")
	}
	if rss, err := parseRSS([]byte("Name:\tx\nVmRSS:\t   2048 kB\n")); err != nil || rss != 2 {
		t.Errorf("got %v, %v", rss, err)
	}
	if _, err := parseRSS([]byte("Name:\tx\n")); err == nil {
		t.Error("no line is enough")
	}
}

func TestFailedCapture(t *testing.T) {
	l := &fakeLab{fail: map[string]error{"capture": errors.New("no space left")}}
	r, err := try(t, l, "a,b,e", 2, 0)
	if err != nil || notes(r)["a"] != "failed: no space left" || notes(r)["b"] != "failed: no space left" || r.row("e") == nil {
		t.Errorf("%v, %v", err, notes(r))
	}
	if l.captures != 1 {
		t.Errorf("%d captures", l.captures)
	}
}

// Ctrl-C leaves what has been measured so far, and no guests, whatever is under way.
func TestInterrupted(t *testing.T) {
	for until := time.Second / 2; until < 60*time.Second; until += 3 * time.Second {
		r, err := try(t, &fakeLab{}, "", 2, until)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after %v: %v", until, err)
		}
		if len(r.Rows) != 40 || notes(r)["h.zstd"] != "interrupted" {
			t.Errorf("after %v: %v", until, notes(r))
		}
	}
	r, _ := try(t, &fakeLab{}, "a,b", 9, 5*time.Second/2)
	if row := r.row("a"); row == nil || len(row.Samples) != 1 || row.Note != "interrupted" {
		t.Errorf("got %+v", r.Rows)
	}
}

func TestProgress(t *testing.T) {
	var told []string
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLab{fail: map[string]error{"cold": errors.New("no boot")}}
		_, err := run(t.Context(), l, Host{GuestRAM: 512}, Options{Runs: 1, Only: []string{"a", "e"}, Progress: func(e Event) {
			text := e.What + "|" + e.Detail + "|" + e.Result
			if e.Err != nil {
				text += "|" + e.Err.Error()
			}
			told = append(told, text)
		}})
		if err != nil {
			t.Error(err)
		}
	})
	want := []string{"capture|a snapshot of a guest with 512 MiB|", "capture||a snapshot of a guest with 512 MiB 1.00 s",
		"a 1/1|floor: QEMU alone, from exec until the guest agent answers|", "a 1/1||a 0.50 s", "e 1/1|up, cold boot|", "e 1/1|||no boot",
		"e 1/1|" + stageRows[0].name + "|", "e 1/1||e.firmware 0.00 s, e.loader 0.00 s, e.kernel 0.00 s, e.initrd 0.00 s, e.units 0.00 s, e.services 0.00 s",
		"e 1/1|the image|", "e 1/1||e.image 200 MB"}
	if !slices.Equal(told, want) {
		t.Errorf("told\n%s", strings.Join(told, "\n"))
	}
}
