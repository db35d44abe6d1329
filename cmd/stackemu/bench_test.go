package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/bench"
	"github.com/stackemu/stackemu/qemu"
)

// noBenchLeft checks that nothing is where a bench works.
func (e *emulator) noBenchLeft() {
	e.Helper()
	if left, _ := filepath.Glob(e.file("images", "bench-*")); len(left) > 0 {
		e.Errorf("left: %q", left)
	}
	for _, name := range []string{"run", "snapshots"} {
		if _, err := os.Stat(e.file(name)); err == nil {
			e.Errorf("the user's own %s was made", name)
		}
	}
}

// Everything but the crowds and other sizes of RAM, which take long.
func TestBench(t *testing.T) {
	e := newEmulator(t, healthy)
	c := e.run(0, "bench", "--runs", "1", "--only", "a,b,c,d,e,s", "--json")
	var answer struct{ Data bench.Report }
	if err := json.Unmarshal([]byte(c.Stdout()), &answer); err != nil {
		t.Fatalf("%v: %s\n%s", err, c.Stdout(), c.Stderr())
	}
	r := answer.Data
	for _, row := range r.Rows {
		switch {
		case row.ID == "c.run", row.ID == "c.answer": // the fake guest has no servers to restart
		case strings.HasPrefix(row.ID, "e.") && row.ID != "e.image": // nor does it tell when it did what
			if len(row.Samples) > 0 || row.Note != "" {
				t.Errorf("%+v", row)
			}
		case len(row.Samples) != 1 || row.Median <= 0 || row.Note != "":
			t.Errorf("%+v", row)
		}
	}
	if len(r.Rows) != 16 || len(r.Claims) != 11 || r.Host.GuestRAM != 512 {
		t.Errorf("%d rows, %d claims, %+v", len(r.Rows), len(r.Claims), r.Host)
	}
	e.complains(c, `^bench +b 1/1`)
	e.noBenchLeft()
}

func TestBenchOfInstancesSideBySide(t *testing.T) {
	if testing.Short() {
		t.Skip("waits 5 s for memory to settle")
	}
	e := newEmulator(t, healthy)
	c := e.run(0, "bench", "--runs", "1", "--only", "f", "--instances", "2")
	e.says(c, `^f\.2\.start +2 at once: start of each +\d+\.\d\d s`, `^f\.2\.private .* MiB`, `^f\.second .* MiB`, `^PASS +private memory of a second instance`)
	e.noBenchLeft()
}

// Ctrl-C in the middle ends what is running and removes everything.
func TestBenchIsInterrupted(t *testing.T) {
	s := healthy
	s.HTTP = nil // the capture never comes to its end
	e := newEmulator(t, s)
	c := e.start("bench", "--runs", "1", "--only", "b")
	var vm qemu.Identity
	for began := time.Now(); vm.PID == 0 && time.Since(began) < 30*time.Second; time.Sleep(5 * time.Millisecond) {
		files, _ := filepath.Glob(e.file("images", "bench-*", "home-*", "run", ".capture", "qemu.pid"))
		if len(files) > 0 {
			vm, _ = qemu.ReadPID(files[0])
		}
	}
	if !vm.Alive() {
		t.Error("there is no VM to interrupt")
	}
	c.Interrupt()
	if code := c.End(); code != exitForced {
		t.Errorf("exit code %d", code)
	}
	e.complains(c, "^stackemu: bench: interrupted; everything it has started is gone$")
	if vm.Alive() {
		t.Error("the VM lives")
	}
	e.noBenchLeft()
}

func TestBenchSaysWhatIsWrong(t *testing.T) {
	e := newEmulator(t, healthy)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"default"}, `bench takes no argument \("default"\)`},
		{[]string{"--runs", "0"}, `--runs=0: want 1 to 1000`},
		{[]string{"--only", "a,x"}, `--only="a,x": "x" is not one of a, b, c, d, e, s, f, g, h, p, z`},
		{[]string{"--instances", "1,none"}, `--instances="1,none": "none" is not a number from 1 to 64`},
	} {
		e.complains(e.run(exitUsage, append([]string{"bench"}, c.args...)...), "^stackemu: "+c.want+"$")
	}
	if err := os.RemoveAll(e.file("images")); err != nil {
		t.Fatal(err)
	}
	e.complains(e.run(exitFailed, "bench"), "^stackemu: bench: there is no image yet: build one with `stackemu image build`, or fetch one with `stackemu pull` \\(looked for ")
	e.noBenchLeft()
}
