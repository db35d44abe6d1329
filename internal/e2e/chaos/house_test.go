//go:build linux

package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/hostport"
	"github.com/stackemu/stackemu/qemu"
)

// house is a home with the instances that are hurt.
type house struct {
	*testing.T
	bin, dir string
	env      []string
	config   config.Config
	began    time.Time
	faults   []*fault // that may happen

	snapshots sync.Mutex // one at a time hurts what all share
	mu        sync.Mutex
	counts    map[string]*count
	given     map[int]bool // ports
	rows      rowCount
}

// Timeouts of starts are long: a guest that is slow because it has little of the machine is no failure of the product.
var patience = []string{"EMULATOR_READY_TIMEOUT=400", "EMULATOR_SNAPSHOT_READY_TIMEOUT=240"}

func openHouse(t *testing.T, bin, dir, images string) *house {
	h := &house{T: t, bin: bin, dir: dir, began: time.Now(), counts: map[string]*count{}, given: map[int]bool{}}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "EMULATOR_") && !strings.HasPrefix(v, "STACK_EMULATOR_") {
			h.env = append(h.env, v)
		}
	}
	h.env = append(append(h.env, "STACKEMU_CONFIG=none", "STACK_EMULATOR_HOME="+dir, "EMULATOR_IMAGE_DIR="+images), patience...)
	var err error
	if h.config, err = config.Load(config.Sources{Lookup: h.lookup}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	return h
}

func (h *house) lookup(name string) (value string, found bool) {
	for _, v := range h.env {
		if key, text, _ := strings.Cut(v, "="); key == name {
			value, found = text, true
		}
	}
	return value, found
}

// close ends what a failed run has left, and keeps its files for a look at them.
func (h *house) close() {
	files, _ := filepath.Glob(filepath.Join(h.dir, "run", "*", "qemu.pid"))
	var vms []qemu.Identity
	for _, path := range files {
		if id, err := qemu.ReadPID(path); err == nil {
			vms = append(vms, id)
		}
	}
	_, _ = h.run(context.Background(), nil, "stop", "--all", "--kill")
	for _, id := range vms {
		_ = id.Kill()
	}
	if h.Failed() {
		h.Logf("the home is left for a look: %s", h.dir)
		return
	}
	if err := os.RemoveAll(h.dir); err != nil {
		h.Error(err)
	}
}

// output is what a command has printed.
type output struct{ stdout, stderr string }

// Ports are taken from below those that systems give to outgoing connections: one of these could take a port between two starts.
const (
	lowestPort  = 20000
	highestPort = 26000
)

// ports are two host ports that are free and nobody else's, as variables for one instance. Those that the program would choose
// itself may be in use by another home of this machine.
func (h *house) ports() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for port := lowestPort + 2*rand.IntN((highestPort-lowestPort)/2); ; port = lowestPort + (port+2-lowestPort)%(highestPort-lowestPort) {
		if !h.given[port] && hostport.Check(port) == nil && hostport.Check(port+1) == nil {
			h.given[port] = true
			return []string{fmt.Sprintf("EMULATOR_DASHBOARD_PORT=%d", port), fmt.Sprintf("EMULATOR_BACKEND_PORT=%d", port+1)}
		}
	}
}

// run runs the program to its end, with more variables. Its error has what the program has said.
func (h *house) run(ctx context.Context, env []string, args ...string) (output, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandLimit, fmt.Errorf("it hangs: %v is over", commandLimit))
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, h.bin, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(h.env[:len(h.env):len(h.env)], env...), &stdout, &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	err := cmd.Run()
	out := output{stdout.String(), stderr.String()}
	if err != nil {
		return out, fmt.Errorf("stackemu %s: %w: %s", strings.Join(args, " "), errors.Join(err, context.Cause(ctx)), strings.TrimSpace(out.stderr))
	}
	return out, nil
}

func (h *house) mustRun(args ...string) {
	h.Helper()
	if out, err := h.run(h.Context(), nil, args...); err != nil {
		h.Fatalf("%v\n%s", err, out.stdout)
	}
}

// files are those of an instance, whose name is a good one.
func (h *house) files(name string) home.Instance {
	files, err := h.config.Folders().Instance(name)
	if err != nil {
		panic(err)
	}
	return files
}
