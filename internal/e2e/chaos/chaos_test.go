//go:build linux

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Limits of what the product may take. They are generous: three guests share the machine, which may have no accelerator.
const (
	// commandLimit is for one command. One that takes longer hangs.
	commandLimit = 8 * time.Minute
	// recoveryLimit is for an instance to answer, once a start has said that it is ready.
	recoveryLimit = 4 * time.Minute
	// calm is the longest pause between two faults of an instance.
	calm = 4 * time.Second
)

// TestChaos hurts three instances, each in its own order, which the seed decides. After each fault one `stackemu start` must do.
func TestChaos(t *testing.T) {
	h := newHouse(t)
	minutes, seed := settings(t)
	pattern := os.Getenv("STACKEMU_CHAOS_FAULTS")
	var err error
	if h.faults, err = chosen(pattern); err != nil {
		t.Fatalf("STACKEMU_CHAOS_FAULTS: %v", err)
	}
	fmt.Printf("chaos: to repeat this run: make chaos CHAOS_SEED=%d CHAOS_MINUTES=%v CHAOS_FAULTS='%s'\n", seed, minutes, pattern)
	defer h.summary(os.Stdout)
	all := make([]*target, 3)
	for n := range all {
		all[n] = h.target(string(rune('a'+n)), rand.New(rand.NewPCG(seed, uint64(n))))
	}
	var starts sync.WaitGroup
	for _, x := range all {
		starts.Go(func() {
			if err := x.start(); err != nil {
				x.Error(err)
			}
		})
	}
	if starts.Wait(); t.Failed() {
		return
	}

	load, endOfLoad := context.WithCancel(t.Context())
	var writers, tormentors sync.WaitGroup
	for _, x := range all {
		x.look()
		writers.Go(func() { x.write(load) })
	}
	end := time.Now().Add(time.Duration(minutes * float64(time.Minute)))
	for _, x := range all {
		tormentors.Go(func() { x.torment(end) })
	}
	tormentors.Wait()
	endOfLoad()
	writers.Wait()

	h.mustRun("stop", "--all")
	h.nothingLeft()
	for _, x := range all {
		if err := x.start(); err != nil {
			x.Error(err)
		}
		x.look()
		x.nothingLost()
	}
	h.mustRun("stop", "--all")
	h.nothingLeft()
	h.allHandled()
}

// torment hurts one instance until the time is over, or until it cannot be brought back.
func (x *target) torment(end time.Time) {
	for round := 1; time.Now().Before(end); round++ {
		if !x.pause(time.Duration(x.random.Int64N(int64(calm)))) {
			return
		}
		f := choose(x.house.faults, x.random)
		began := time.Now()
		err := x.suffer(f)
		x.house.note(f, err)
		switch {
		case err == nil:
			x.Logf("%s %d: %s: survived, %.0f s", x.name, round, f.name, time.Since(began).Seconds())
		case isSkip(err):
			x.Logf("%s %d: %s: not possible: %v", x.name, round, f.name, err)
		default:
			x.Errorf("%s %d: %s: after %.0f s: %v\n%s", x.name, round, f.name, time.Since(began).Seconds(), err, x.evidence())
			if err := x.rescue(); err != nil {
				x.Errorf("%s: cannot be brought back: %v", x.name, err)
				return
			}
		}
	}
}

// suffer does one fault to an instance and sees that it comes back, that it stores rows again, and that its message log tells
// what has happened.
func (x *target) suffer(f *fault) error {
	began := time.Now()
	mend, err := f.do(x)
	if mend != nil {
		defer mend()
	}
	if err != nil {
		return err
	}
	if err := x.start(); err != nil {
		return err
	}
	x.look()
	if err := x.well(); err != nil {
		return err
	}
	return x.tells(f.tells, began)
}

// rescue brings an instance back that a start could not, so that the run can go on and show what else there is.
func (x *target) rescue() error {
	if _, err := x.run("stop", "--kill", x.name); err != nil {
		return err
	}
	if err := x.start(); err != nil {
		return err
	}
	x.look()
	return x.well()
}

// pause waits, unless the test is over.
func (x *target) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-x.Context().Done():
		return false
	}
}

// settings are how long to run and with which seed.
func settings(t *testing.T) (minutes float64, seed uint64) {
	minutes, err := strconv.ParseFloat(os.Getenv("STACKEMU_CHAOS_MINUTES"), 64)
	if err != nil || minutes <= 0 {
		t.Fatalf("STACKEMU_CHAOS_MINUTES=%q: want a number", os.Getenv("STACKEMU_CHAOS_MINUTES"))
	}
	text := os.Getenv("STACKEMU_CHAOS_SEED")
	if text == "" {
		return minutes, rand.Uint64N(1_000_000)
	}
	seed, err = strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("STACKEMU_CHAOS_SEED=%q: want a number", text)
	}
	return minutes, seed
}

// newHouse makes a home beside the image, so that instances can keep hold of it with a hard link.
func newHouse(t *testing.T) *house {
	image, bin := os.Getenv("STACKEMU_E2E_IMAGE"), os.Getenv("STACKEMU_E2E_BIN")
	if image == "" || bin == "" || os.Getenv("STACKEMU_CHAOS_MINUTES") == "" {
		t.Skip("needs the reference image and half an hour: run make chaos")
	}
	dir, err := os.MkdirTemp(filepath.Dir(image), "chaos-")
	if err != nil {
		t.Fatal(err)
	}
	return openHouse(t, bin, dir, filepath.Dir(image))
}
