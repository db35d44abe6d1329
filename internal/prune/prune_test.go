package prune

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/internal/snapshot/pack"
	"github.com/stackemu/stackemu/qemu"
)

// yard is a home with things in it.
type yard struct {
	*testing.T
	conf config.Config
	now  time.Time
}

func newYard(t *testing.T) *yard {
	t.Helper()
	t.Setenv("PATH", t.TempDir()) // no QEMU: what it could resume is not known
	env := map[string]string{"STACK_EMULATOR_HOME": t.TempDir()}
	conf, err := config.Load(config.Sources{Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	return &yard{t, conf, time.Now()}
}

// put makes a file that was last written to some time ago. Its directory is of that time, too.
func (y *yard) put(age time.Duration, name string) string {
	y.Helper()
	path := filepath.Join(y.conf.Home, name)
	at := y.now.Add(-age)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, make([]byte, 8192), 0o600)
	}
	for p := path; err == nil && filepath.Dir(p) != y.conf.Home; p = filepath.Dir(p) {
		err = os.Chtimes(p, at, at)
	}
	if err != nil {
		y.Fatal(err)
	}
	return path
}

func (y *yard) prune(dry bool) Result {
	y.Helper()
	r, err := Run(y.Context(), y.conf, y.now, dry)
	if err != nil {
		y.Error(err)
	}
	return r
}

// names are what items are about, below the home.
func (y *yard) names(items []Item) string {
	var all []string
	for _, item := range items {
		rel, _ := filepath.Rel(y.conf.Home, item.Path)
		all = append(all, rel)
		if item.Why == "" || item.Kind == "" {
			y.Errorf("nobody knows why: %+v", item)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

const day = 24 * time.Hour

func TestNothingToPrune(t *testing.T) {
	y := newYard(t)
	if r := y.prune(false); len(r.Removed)+len(r.Held) != 0 {
		t.Errorf("an empty home: %+v", r)
	}
	if left, _ := os.ReadDir(y.conf.Home); len(left) != 0 {
		t.Errorf("made: %v", left)
	}
}

func TestRun(t *testing.T) {
	y := newYard(t)
	stay := []string{
		y.put(30*day, "images/stack-emulator-amd64.qcow2"),
		y.put(30*day, "images/stack-emulator-amd64.qcow2.json"),
		y.put(time.Hour, "images/stack-emulator-amd64.qcow2.part"), // somebody will go on with it
		y.put(30*day, "images/notes.txt"),
		y.put(time.Hour, "images/bench-1/home-1/file"),
		y.put(30*day, "run/vm/disk.qcow2"), y.put(30*day, "run/vm/session/ram.img"), y.put(30*day, "run/vm/serial.log"), y.put(30*day, "run/vm/base.qcow2"),
		y.put(30*day, "run/saved/session/ram.img"),
		y.put(day, "run/fresh/serial.log"),
		y.put(30*day, "run/ports.json"),
		y.put(30*day, "run/Not-Ours/serial.log"),
	}
	young := "run/vm/session.broken-" + y.now.Add(-day).UTC().Format("20060102-150405.000")
	stay = append(stay, y.put(30*day, young+"/ram.img"))
	go_ := map[string]string{
		y.put(2*day, "images/stack-emulator-arm64.qcow2.part"):                                              "images/stack-emulator-arm64.qcow2.part",
		y.put(2*day, "images/stack-emulator-arm64.qcow2.new"):                                               "images/stack-emulator-arm64.qcow2.new",
		y.put(2*day, "images/.image-build-5/disk"):                                                          "images/.image-build-5",
		y.put(2*day, "images/bench-2/home-1/file"):                                                          "images/bench-2",
		y.put(2*day, "images/.savevm.zst.123.tmp"):                                                          "images/.savevm.zst.123.tmp",
		y.put(0, "run/vm/session.new/ram.img"):                                                              "run/vm/session.new",
		y.put(0, "run/vm/session.live/ram.img"):                                                             "run/vm/session.live",
		y.put(0, "run/vm/disk.fresh.qcow2"):                                                                 "run/vm/disk.fresh.qcow2",
		y.put(0, "run/vm/.iso-1/file"):                                                                      "run/vm/.iso-1",
		y.put(0, "run/vm/session.broken-"+y.now.Add(-8*day).UTC().Format("20060102-150405.000")+"/ram.img"): "run/vm/session.broken-" + y.now.Add(-8*day).UTC().Format("20060102-150405.000"),
		y.put(8*day, "run/old/serial.log"):                                                                  "run/old",
		y.put(0, "run/"+".gone-1/other/serial.log"):                                                         "run/.gone-1",
	}
	y.put(8*day, "run/old/lock")
	about := y.put(2*day, "images/stack-emulator-arm64.qcow2.part.json")
	var want []string
	for _, name := range go_ {
		want = append(want, name)
	}
	slices.Sort(want)
	dry := y.prune(true)
	if got := y.names(dry.Removed); got != strings.Join(want, " ") {
		t.Errorf("would remove\n%s, want\n%s", got, strings.Join(want, " "))
	}
	for path := range go_ {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("a dry run: %v", err)
		}
	}
	r := y.prune(false)
	if y.names(r.Removed) != y.names(dry.Removed) || r.Bytes() != dry.Bytes() || r.Bytes() < int64(len(go_))*8192 || len(r.Held) != 0 {
		t.Errorf("got %+v, want %+v", r, dry)
	}
	for path := range go_ {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
	if _, err := os.Stat(about); err == nil {
		t.Error("what is known of a download is left")
	}
	for _, path := range stay {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if again := y.prune(false); len(again.Removed) != 0 {
		t.Errorf("there is more: %+v", again.Removed)
	}
}

// A snapshot that is gone may have left the names that it had beside its image. One name more is a snapshot that is there.
func TestNamesOfSnapshotsThatAreGone(t *testing.T) {
	y := newYard(t)
	image := y.put(0, "images/stack-emulator-amd64.qcow2")
	beside := func(image, suffix string) string { return filepath.Join(filepath.Dir(image), "stack-emulator-"+suffix) }
	ours := func(path string) string {
		y.Helper()
		if err := pack.Pack(y.Context(), path, image, nil); err != nil {
			y.Fatal(err)
		}
		return path
	}
	link := func(err error) {
		y.Helper()
		if err != nil {
			y.Fatal(err)
		}
	}
	snapshots := y.conf.Folders().Snapshots
	gone := []string{ours(beside(image, "amd64.savevm.zst")), beside(image, "amd64.savevm.raw"), beside(image, "amd64.savevm.disk.qcow2")}
	for _, name := range gone[1:] {
		link(os.Symlink(filepath.Join(snapshots, strings.Repeat("a", 20), "savevm.raw"), name))
	}
	other := strings.Repeat("b", 20)
	y.put(0, "snapshots/"+other+".broken-20260101-000000.000000/x") // goes, and its names with it
	link(os.MkdirAll(filepath.Join(snapshots, "of-a-friend"), 0o700))
	stay := []string{beside(image, "arm64.savevm.zst"), beside(image, "arm64.savevm.raw"), beside(image, "x.savevm.raw"), y.put(0, "images/theirs.savevm.zst"), image}
	link(os.Link(ours(filepath.Join(snapshots, "of-a-friend", "savevm.zst")), stay[0]))
	link(os.Symlink(filepath.Join(snapshots, "of-a-friend", "savevm.raw"), stay[1])) // its cache, which is made again
	link(os.Symlink("/elsewhere/x", stay[2]))
	broken := filepath.Join(snapshots, other+".broken-20260101-000000.000000")
	both := beside(image, "b.savevm.zst")
	link(os.Link(ours(filepath.Join(broken, "savevm.zst")), both))

	dry := y.prune(true)
	r := y.prune(false)
	want := "images/stack-emulator-amd64.savevm.disk.qcow2 images/stack-emulator-amd64.savevm.raw images/stack-emulator-amd64.savevm.zst " +
		"images/stack-emulator-b.savevm.zst snapshots/" + filepath.Base(broken)
	if got := y.names(r.Removed); got != want || y.names(dry.Removed) != want || r.Bytes() != dry.Bytes() || r.Bytes() == 0 {
		t.Errorf("removed %s\nwant    %s\n%d bytes, in a dry run %d: %s", got, want, r.Bytes(), dry.Bytes(), y.names(dry.Removed))
	}
	for _, path := range gone {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
	for _, path := range stay {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
}

// What somebody has stays, however old it is.
func TestWhatIsInUseStays(t *testing.T) {
	y := newYard(t)
	part, lock := y.put(9*day, "images/stack-emulator-arm64.qcow2.part"), y.put(9*day, "images/stack-emulator-arm64.qcow2.lock")
	held, heldLock := y.put(9*day, "run/held/serial.log"), y.put(9*day, "run/held/lock")
	live := y.put(0, "run/live/session.live/ram.img")
	bench := y.put(9*day, "images/bench-1/home-1/run/vm/serial.log")
	for _, path := range []string{lock, heldLock} {
		l := flock.New(path)
		if ok, err := l.TryLock(); err != nil || !ok {
			t.Fatal(err)
		}
		defer l.Close()
	}
	for _, dir := range []string{filepath.Dir(filepath.Dir(live)), filepath.Dir(bench)} { // we are a VM without a supervisor
		if err := qemu.WritePID(filepath.Join(dir, "qemu.pid"), os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	y.now = y.now.Add(9 * day)
	r := y.prune(false)
	if len(r.Removed) != 0 || y.names(r.Held) != "images/bench-1 images/stack-emulator-arm64.qcow2.part" {
		t.Errorf("got %+v", r)
	}
	for _, path := range []string{part, held, live, bench} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

func TestOutgrown(t *testing.T) {
	parts := snapshot.Parts{Layout: qemu.Layout{Arch: qemu.AMD64}, QEMU: "QEMU 10", HostCPU: "c", Version: snapshot.Version}
	asked := 0
	here := func(build, cpu string) *host {
		return &host{cpu: cpu, builds: map[string]string{}, build: func(arch string) string {
			if asked++; arch != "amd64" {
				t.Errorf("asked about %s", arch)
			}
			return build
		}}
	}
	h := here("QEMU 10", "c")
	for range 2 {
		if why := h.outgrown(parts); why != "" || asked != 1 {
			t.Errorf("one that fits: %q, asked %d times", why, asked)
		}
	}
	if why := here("", "").outgrown(parts); why != "" {
		t.Errorf("what is not known rules out: %s", why)
	}
	for want, h := range map[string]*host{"another QEMU": here("QEMU 11", "c"), "another processor": here("QEMU 10", "d")} {
		if why := h.outgrown(parts); !strings.Contains(why, want) {
			t.Errorf("got %q, want %q", why, want)
		}
	}
	parts.Version++
	if why := here("", "").outgrown(parts); !strings.Contains(why, "another version") {
		t.Errorf("got %q", why)
	}
}
