package actors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/download/image"
	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/internal/trace"
	"github.com/stackemu/stackemu/internal/tracetest"
	"github.com/stackemu/stackemu/messages"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
	"github.com/stackemu/stackemu/qemu/qga"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The fakes of this file stand for QEMU and its guest in tests of the tree. They run in a synctest bubble, so a boot of
// twenty seconds takes none. Each behaviour has its twin with the real thing in the end-to-end tests.

// fakeWorld is one instance that boots as its fields say. Fields may be changed between two starts only.
type fakeWorld struct {
	dir string

	openErr, prepareErr error
	prepareFor          time.Duration
	launchErr           error
	refuse              error         // QEMU ends with it at once
	bootFor             time.Duration // until the guest's agent and services answer
	firstHangs          bool          // the guest of the first machine gives no sign of life
	agentLeaves         bool          // its port is closed before the guest is asked to shut down
	noTools             bool          // nobody opens the port of the guest's tools
	toolsErr            error         // what comes of a call there
	opensLate           bool          // the agent's port opens just when it is asked for
	mute                atomic.Int32  // syncs that the agent does not answer
	full                atomic.Bool   // the disk
	agentIgnores        bool          // guest-shutdown is accepted, and nothing happens
	acpiIgnores         bool          // so is the power button
	quitHangs           bool          // QMP does not answer a quit
	onProbe             func(service string) error

	puller *fakePuller // there is no image before it has pulled one; nil where there is one

	warm       bool // snapshots and sessions can be taken
	open       bool // the services of a guest that is resumed can be reached at once
	refreshFor time.Duration
	strict     bool // with --require-snapshot
	captureErr error
	onLoad     func() // before it ends; nil for nothing
	loadErr    error
	refreshErr func(attempt int) error // of the refreshes of one machine; nil for none
	clockErr   error
	portErr    error
	saveErr    error
	sealErr    error

	wallOff atomic.Int64 // how far the host's wall clock is from the one that passes, in ns
	clocks  atomic.Int32 // how often the guest was given the time

	mu       sync.Mutex
	ownDisk  bool // somebody could have written to it
	session  bool // a session is saved
	orphan   bool // a VM runs that a former supervisor left, ready
	confirms int
	machines []*fakeMachine
	opened   int // instances that are held
	boots    int // boots that are not closed
}

func (w *fakeWorld) Open(context.Context, string) (Instance, error) {
	if w.openErr != nil {
		return nil, w.openErr
	}
	w.count(&w.opened, 1)
	return w, nil
}

func (w *fakeWorld) Close() error { w.count(&w.opened, -1); return nil }

func (w *fakeWorld) count(n *int, by int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*n += by
}

func (w *fakeWorld) MessagesLog() string { return filepath.Join(w.dir, "messages.jsonl") }

func (w *fakeWorld) OpenCapture(ctx context.Context) (Instance, error) { return w.Open(ctx, "") }

func (w *fakeWorld) Snapshots() *snapshot.Store {
	return snapshot.Open(filepath.Join(w.dir, "snapshots"))
}

// fakeParts is what decides whether a snapshot fits here.
func fakeParts() snapshot.Parts {
	return snapshot.Parts{ImageDigest: "sha256:00", Layout: qemu.Default(qemu.AMD64, 128, 1), Format: snapshot.Lazy, Version: snapshot.Version}
}

func (w *fakeWorld) Survey(ctx context.Context, limits lifecycle.Prepare) (Survey, error) {
	select {
	case <-time.After(w.prepareFor):
	case <-ctx.Done():
		return Survey{}, context.Cause(ctx)
	}
	if w.prepareErr != nil {
		return Survey{}, w.prepareErr
	}
	if w.puller != nil && !w.puller.has.Load() {
		return Survey{Missing: &MissingImage{image.Request{Arch: "amd64", Tag: "a"}, errors.New("there is no image")}}, nil
	}
	s := Survey{Notes: []string{"slow, but works"}}
	if w.warm && !limits.Cold && !w.ownDisk {
		s.Want = &messages.WantSnapshot{Parts: fakeParts(), Key: fakeParts().Key(), MayCapture: !limits.Captured}
	}
	return s, nil
}

func (w *fakeWorld) Prepare(_ context.Context, choice Choice) (*Boot, error) {
	m := &fakeMachine{world: w, born: time.Now(), done: make(chan struct{}), launched: make(chan struct{}), closed: make(chan struct{})}
	m.choose(choice)
	w.count(&w.boots, 1)
	check := func(service string) Check {
		return Check{service, func(ctx context.Context) error { return m.probe(ctx, service) }}
	}
	return &Boot{
		Way:         m.way,
		Sessions:    w.warm,
		Open:        w.open && m.way == lifecycle.Resume,
		Services:    []messages.Service{{Name: "backend", URL: "http://localhost:26701"}, {Name: "dashboard", URL: "http://localhost:26700"}},
		Checks:      []Check{check("backend"), check("dashboard")},
		Launch:      m.launch,
		DialMonitor: m.dialMonitor,
		DialAgent:   m.dialAgent,
		AskTools:    m.askTools,
		Wall:        func() time.Time { return time.Now().Add(time.Duration(w.wallOff.Load())) },
		Confirm:     func() error { w.count(&w.confirms, 1); return nil },
		Seal:        m.seal,
		Manifest:    func() snapshot.Manifest { return snapshot.Manifest{} },
		Explain:     func() string { return "serial: its last words" },
		Close:       sync.OnceValue(func() error { w.count(&w.boots, -1); return nil }),
	}, nil
}

// last is the youngest machine that was launched.
func (w *fakeWorld) last() *fakeMachine {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.machines[len(w.machines)-1]
}

// fakeMachine is a QEMU with a guest in it.
type fakeMachine struct {
	world    *fakeWorld
	way      lifecycle.Way
	kept     *messages.CaptureGranted // what it is captured into
	born     time.Time                // when it was prepared
	launched chan struct{}

	mu     sync.Mutex
	dead   bool
	err    error
	done   chan struct{}
	onEvt  func(qmp.Event)
	closed chan struct{} // the monitor's end, after its last event
	open   bool          // the guest's agent has opened its port
	hung   bool          // does not negotiate any more
	asked  chan struct{} // not nil: what asks for the machine's state is told of here, and waits
	paused bool          // by QEMU, because of a full disk
	asks   int           // for a refresh
	calls  int           // of the tools at their port
}

func (m *fakeMachine) choose(choice Choice) {
	m.kept = choice.Capture
	switch {
	case m.world.orphan:
		m.way, m.open = lifecycle.Adopt, true
	case choice.Capture != nil:
		m.way = lifecycle.Capture
	case choice.Snapshot != nil || m.world.session:
		m.way = lifecycle.Resume
	}
	m.world.orphan, m.world.session = false, false // it is used once, whatever becomes of it
}

func (m *fakeMachine) launch() (Process, error) {
	if m.world.launchErr != nil {
		return nil, m.world.launchErr
	}
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	m.world.machines = append(m.world.machines, m)
	close(m.launched)
	if m.world.refuse != nil {
		m.die(m.world.refuse)
		return m, nil
	}
	if m.way != lifecycle.Resume && !(m.world.firstHangs && len(m.world.machines) == 1) {
		time.AfterFunc(m.world.bootFor, m.openAgent)
	}
	return m, nil
}

func (m *fakeMachine) openAgent() { m.agentPort(true) }

func (m *fakeMachine) agentPort(open bool) {
	m.mu.Lock()
	m.open = open
	m.mu.Unlock()
	if !m.world.noTools { // they are there a moment before it answers
		m.event("VSERPORT_CHANGE", map[string]any{"open": open, "id": qemu.ToolsDevice})
	}
	m.event("VSERPORT_CHANGE", map[string]any{"open": open, "id": qemu.AgentDevice})
}

func (m *fakeMachine) PID() int              { return 4242 }
func (m *fakeMachine) Done() <-chan struct{} { return m.done }
func (m *fakeMachine) Err() error            { m.mu.Lock(); defer m.mu.Unlock(); return m.err }
func (m *fakeMachine) Kill()                 { m.die(&qemu.ExitError{Code: -1, Signal: syscall.SIGKILL}) }

// die ends the process: the kernel closes its sockets first, and a moment later its parent can reap it.
func (m *fakeMachine) die(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return
	}
	m.dead, m.err = true, err
	m.hangUp()
	time.AfterFunc(time.Millisecond, func() { close(m.done) })
}

func (m *fakeMachine) hangUp() {
	select {
	case <-m.closed:
	default:
		close(m.closed)
	}
}

func (m *fakeMachine) event(name string, data map[string]any) {
	m.mu.Lock()
	on := m.onEvt
	m.mu.Unlock()
	if on != nil {
		on(qmp.Event{Event: name, Data: data})
	}
}

func (m *fakeMachine) powerOff(byGuest bool) {
	m.event("SHUTDOWN", map[string]any{"guest": byGuest, "reason": "guest-shutdown"})
	m.die(nil)
}

func (m *fakeMachine) dialMonitor(ctx context.Context, onEvent func(qmp.Event)) (MonitorConn, error) {
	select {
	case <-m.launched:
		time.Sleep(40 * time.Millisecond) // as long as a real QEMU takes
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return nil, errors.New("connection refused")
	}
	if m.hung {
		m.mu.Unlock()
		<-ctx.Done()
		m.mu.Lock()
		return nil, context.Cause(ctx)
	}
	m.onEvt = onEvent
	m.closed = make(chan struct{})
	return &fakeMonitor{m, m.closed}, nil
}

type fakeMonitor struct {
	m      *fakeMachine
	closed chan struct{}
}

func (f *fakeMonitor) Version() string { return "10.0.2" }
func (f *fakeMonitor) Ports(context.Context) (agent, tools bool, err error) {
	f.m.mu.Lock()
	open := f.m.open
	f.m.mu.Unlock()
	if f.m.world.opensLate && !open { // while the answer is on its way
		f.m.openAgent()
		time.Sleep(20 * time.Millisecond)
	}
	return open, open && !f.m.world.noTools, nil
}
func (f *fakeMonitor) Done() <-chan struct{} { return f.closed }
func (f *fakeMonitor) Err() error            { return errors.New("qmp: connection closed") }
func (f *fakeMonitor) Close() error          { return nil }
func (f *fakeMonitor) Status(ctx context.Context) (string, error) {
	if f.m.hung {
		<-ctx.Done()
		return "", context.Cause(ctx)
	}
	f.m.mu.Lock()
	asked, paused := f.m.asked, f.m.paused
	f.m.mu.Unlock()
	if asked != nil {
		asked <- struct{}{}
		<-f.closed
		return "", f.Err()
	}
	if paused {
		return "io-error", nil
	}
	return "running", nil
}
func (f *fakeMonitor) Cont(context.Context) error {
	full := f.m.world.full.Load()
	f.m.mu.Lock()
	f.m.paused = full
	f.m.mu.Unlock()
	if full {
		f.m.noSpace()
	}
	return nil
}

// noSpace is what QEMU tells of a write without room.
func (m *fakeMachine) noSpace() {
	m.mu.Lock()
	m.paused = true
	m.mu.Unlock()
	m.event("BLOCK_IO_ERROR", map[string]any{"device": "disk", "operation": "write", "action": "stop", "nospace": true})
	m.event("STOP", nil)
}

func (f *fakeMonitor) Load(context.Context) error {
	if f.m.world.onLoad != nil {
		f.m.world.onLoad()
	}
	if err := f.m.world.loadErr; err != nil {
		return err
	}
	f.m.openAgent()
	return nil
}
func (f *fakeMonitor) OpenPorts(context.Context) error {
	if f.m.way != lifecycle.Capture {
		f.m.world.ownDisk = true
	}
	return f.m.world.portErr
}
func (f *fakeMonitor) Save(context.Context) error {
	if f.m.way == lifecycle.Capture {
		return errors.Join(f.m.world.captureErr, f.m.store())
	}
	return f.m.world.saveErr
}

// store writes what a capture leaves behind.
func (m *fakeMachine) store() error {
	f := m.kept.Files
	ram, err := os.Create(f.RAM)
	if err != nil {
		return err
	}
	return errors.Join(ram.Truncate(128<<20), ram.Close(),
		os.WriteFile(f.State, []byte("devices"), 0o600),
		os.WriteFile(f.Base, qemutest.Qcow2(""), 0o600),
		os.WriteFile(f.Disk, qemutest.Qcow2("base.qcow2"), 0o600))
}

func (m *fakeMachine) seal(context.Context) error {
	m.world.session = m.world.sealErr == nil
	return m.world.sealErr
}

func (f *fakeMonitor) Powerdown(context.Context) error {
	if !f.m.world.acpiIgnores {
		f.m.powerOff(true)
	}
	return nil
}
func (f *fakeMonitor) Quit(ctx context.Context) error {
	if f.m.world.quitHangs {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	f.m.powerOff(false)
	return nil
}

func (m *fakeMachine) dialAgent(context.Context) (AgentConn, error) {
	return fakeAgent{m, make(chan struct{})}, nil
}

type fakeAgent struct {
	m      *fakeMachine
	closed chan struct{}
}

func (f fakeAgent) Sync(ctx context.Context) error {
	if f.m.world.mute.Add(-1) >= 0 {
		<-ctx.Done()
		return errors.New("qga: no answer")
	}
	return nil
}
func (f fakeAgent) Close() error                { close(f.closed); return nil }
func (f fakeAgent) Quiet(context.Context) error { return nil }
func (f fakeAgent) SetClock(context.Context) error {
	f.m.world.clocks.Add(1)
	return f.m.world.clockErr
}
func (f fakeAgent) Refresh(context.Context) (guestapi.Result, error) {
	if f.m.world.opensLate {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-f.closed:
			return guestapi.Result{}, errors.New("qga: connection closed")
		}
	}
	return f.m.refresh()
}

func (m *fakeMachine) askTools(context.Context) (guestapi.Result, error) {
	m.calls++
	if err := m.world.toolsErr; err != nil {
		return guestapi.Result{}, err
	}
	return m.refresh()
}

func (m *fakeMachine) refresh() (guestapi.Result, error) {
	m.asks++
	time.Sleep(m.world.refreshFor)
	if m.world.refreshErr != nil {
		if err := m.world.refreshErr(m.asks); err != nil {
			return guestapi.Result{}, err
		}
	}
	return guestapi.Result{Steps: []guestapi.Step{{Name: guestapi.StepClock, Took: time.Millisecond}}}, nil
}
func (f fakeAgent) Exec(ctx context.Context, path string, args []string, stdin []byte) (*qga.ExecResult, error) {
	if path == "sleep" {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	if path == "cut" {
		return nil, qga.ErrClosed
	}
	return &qga.ExecResult{ExitCode: len(args), Stdout: stdin, Stderr: []byte(path)}, nil
}
func (f fakeAgent) Shutdown(context.Context) error {
	if !f.m.world.agentIgnores {
		f.m.powerOff(true)
	}
	return nil
}

func (m *fakeMachine) probe(_ context.Context, service string) error {
	up := m.world.bootFor
	if service == "dashboard" {
		up += 300 * time.Millisecond // always the second one
	}
	if m.way == lifecycle.Resume {
		up -= m.world.bootFor
	}
	if time.Since(m.born) < up {
		return errors.New("connection reset")
	}
	if m.world.onProbe != nil {
		return m.world.onProbe(service)
	}
	return nil
}

// play is one run of a tree in a bubble.
type play struct {
	*testing.T
	world *fakeWorld
	tree  *Tree

	mu    sync.Mutex
	heard []string
	ended *messages.InstanceEnded
	idle  chan struct{}
}

// stage runs a story: a tree over the world, in a bubble, closed at the end with everything checked that must be gone.
func stage(t *testing.T, world *fakeWorld, story func(p *play)) {
	t.Helper()
	world.dir = t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := &play{T: t, world: world, idle: make(chan struct{}, 8)}
		o := Options{World: world, Policy: lifecycle.DefaultPolicy(), Log: zerolog.Nop(), RunID: "run", Observe: p.observe}
		o.Policy.RequireSnapshot = world.strict
		if world.puller != nil {
			o.Puller = world.puller
		}
		p.tree = Start(o)
		defer p.close() // also after a Fatal: the bubble must be empty in the end
		story(p)
	})
}

func (p *play) close() {
	if err := p.tree.Close(context.Background()); err != nil {
		p.Error(err)
	}
	time.Sleep(2 * time.Second) // the library's dead-letter throttle ends by itself after one
	synctest.Wait()
	if w := p.world; w.opened != 0 || w.boots != 0 {
		p.Errorf("left open: %d instances, %d boots", w.opened, w.boots)
	}
	p.handled()
	for n, m := range p.world.machines {
		select {
		case <-m.done:
		default:
			p.Errorf("machine %d still runs", n)
		}
	}
}

// handled checks that the log tells of each failure what came of it.
func (p *play) handled() {
	log, err := trace.ReadFiles(p.world.MessagesLog())
	if errors.Is(err, fs.ErrNotExist) {
		return // it could not be opened
	}
	if err != nil {
		p.Error(err)
		return
	}
	for _, loose := range tracetest.Unhandled(log) {
		if !strings.Contains(loose, "injected") {
			p.Error(loose)
		}
	}
}

func (p *play) observe(m messages.Observer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m := m.(type) {
	case *messages.StateChanged:
		to := m.To
		if m.How == lifecycle.Resume.String() {
			to += ", resumed"
		}
		p.heard = append(p.heard, strings.TrimSpace(to+" "+errText(m.Cause.Err)))
	case *messages.ServiceChanged:
		if m.Healthy {
			p.heard = append(p.heard, m.Service+" healthy")
		}
	case *messages.InstanceProgress:
		p.heard = append(p.heard, fmt.Sprintf("%s %d/%d", m.Doing, m.Done, m.Total))
	case *messages.GuestRan:
		words := fmt.Sprintf("%s: exit code %d, %q, %q", m.ID, m.ExitCode, m.Stdout, m.Stderr)
		if m.Cause.Err != nil {
			words = m.ID + ": " + m.Cause.Err.Error()
		}
		p.heard = append(p.heard, words)
	case *messages.Notice:
		p.heard = append(p.heard, "notice: "+m.Text)
	case *messages.InstanceEnded:
		p.ended = m
	case *messages.FleetIdle:
		p.idle <- struct{}{}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return "(" + err.Error() + ")"
}

// until waits until a state or notice has been heard, in the bubble's time.
func (p *play) until(what string) {
	p.Helper()
	for range 100_000 {
		synctest.Wait() // what happens at this instant comes before the look at it, however busy the machine is
		p.mu.Lock()
		n := len(p.heard)
		found := n > 0 && strings.HasPrefix(p.heard[n-1], what)
		p.mu.Unlock()
		if found {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.Fatalf("never heard %q, but:\n%s", what, strings.Join(p.heard, "\n"))
}

// end waits for the instance's last word.
func (p *play) end() *messages.InstanceEnded {
	p.Helper()
	<-p.idle
	return p.ended
}

// forget drops what was heard, so that the next until waits for something new.
func (p *play) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = nil
}

func (p *play) story(want ...string) {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if got := strings.Join(p.heard, "\n"); got != strings.Join(want, "\n") {
		p.Errorf("heard\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// up starts the instance and waits until it is ready.
func (p *play) up() {
	p.Helper()
	p.tree.Tell(&messages.StartInstance{Instance: "default"})
	p.until("ready")
}

func (p *play) messages() string {
	p.Helper()
	b, err := os.ReadFile(p.world.MessagesLog())
	if err != nil {
		p.Fatal(err)
	}
	return string(b)
}
