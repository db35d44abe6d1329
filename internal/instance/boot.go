package instance

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/health"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qga"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// Way is how a run of QEMU comes to life.
type Way int

// The ways.
const (
	Cold    Way = iota // it boots from its disk
	Capture            // so it does, to be captured
	Resume             // it goes on from a snapshot or session
	Adopt              // it runs already, without a supervisor
)

// Boot is all that one run of QEMU needs, and what is done with that run. Launch may be called once; Close at any time, also
// twice. What is done over its channels (warm.go) is done one at a time.
type Boot struct {
	Way   Way
	Ready time.Time // when it had become ready under a former supervisor; zero if it has had none

	survey
	files  home.Instance
	home   home.Home
	config config.Config
	began  time.Time

	wiring  qemu.Wiring
	args    []string
	client  *http.Client
	sockets []socket // of channels
	process Process
	closing sync.Once
	launch  sync.Mutex // held while QEMU is started, and noted: its monitor may answer before that

	load    func(context.Context, *qmp.Conn) error // brings what it resumes into QEMU
	session *session                               // not nil when it goes on from one
	kept    *snapshot.Files                        // what is captured
	fresh   bool                                   // its disk may be thrown away yet
	secrets map[string]string
	told    map[string]string // what the guest knows of this host; nil when nobody can say
	tools   bool              // the guest has ours
	plugged bool              // its mounts are in the machine
	adopted *qemu.Identity    // not nil when it runs already
}

// Process is a QEMU: a child of this process or not. Err means something once Done is closed; nil is also the end of a process
// that was not our child.
type Process interface {
	PID() int
	Done() <-chan struct{}
	Err() error
	Kill()
}

// socket is a listening socket until QEMU has it.
type socket struct {
	path     string
	listener *net.UnixListener
	file     *os.File // the same one, for QEMU
}

// Services is the table of what the image offers, with this instance's host ports.
func (b *Boot) Services() []profile.Service { return b.profile.Services }

// Sessions tells whether a stop can save what the machine has become.
func (b *Boot) Sessions() bool { return !b.config.NoSnapshot && b.sessionFormat() != "" }

// Open tells whether the services of a resumed guest can be reached from its first step on, and will run on as they are: their ports are
// not kept closed, and nothing that the guest is told makes it restart them.
func (b *Boot) Open() bool { return b.Way == Resume && !b.fenced() && b.knowsHost() }

// Launch starts QEMU, and notes whose process it is, or takes the one that runs.
func (b *Boot) Launch() (Process, error) {
	b.launch.Lock()
	defer b.launch.Unlock()
	if b.adopted != nil {
		p, err := qemu.Adopt(*b.adopted)
		if err != nil {
			return nil, err
		}
		b.process = p
		return p, nil
	}
	c := qemu.Command{Path: b.binary.Path, Args: b.args, Log: b.files.QEMULog}
	for _, s := range b.sockets {
		c.Files = append(c.Files, s.file)
	}
	p, err := qemu.Start(c)
	b.handOver()
	if err != nil {
		return nil, err
	}
	b.process = p
	if err := qemu.WritePID(b.files.PID, p.PID()); err != nil {
		p.Kill() // a VM that no later command could find must not run
		<-p.Done()
		return nil, err
	}
	return p, nil
}

// handOver closes our copies of the listening sockets: with one of them open, a dial to a dead QEMU would hang.
func (b *Boot) handOver() {
	for _, s := range b.sockets {
		_ = s.listener.Close() // a second close of either is an error that means nothing
		_ = s.file.Close()
	}
}

// DialMonitor opens the QMP channel. A machine that boots finds its mounts plugged in from the start.
func (b *Boot) DialMonitor(ctx context.Context, onEvent func(qmp.Event)) (*qmp.Conn, error) {
	m, err := qmp.Dial(ctx, b.files.MonitorSock, onEvent)
	if err != nil {
		return nil, err
	}
	if b.Way != Adopt { // what was adopted has been started by another command, maybe before an update
		if err := b.binary.Confirm(m.Version()); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	if b.Way == Cold && !b.plugged {
		if err := b.plug(ctx, m); err != nil {
			return nil, errors.Join(err, m.Close())
		}
		b.plugged = true
	}
	return m, nil
}

// DialAgent opens the guest-agent channel.
func (b *Boot) DialAgent(ctx context.Context) (*qga.Client, error) {
	return qga.Dial(ctx, b.files.AgentSock)
}

// Probe asks one service whether it is well, where it is now.
func (b *Boot) Probe(ctx context.Context, s profile.Service) error {
	if n := slices.IndexFunc(b.profile.Services, func(now profile.Service) bool { return now.Name == s.Name }); n >= 0 {
		s = b.profile.Services[n]
	}
	return health.Probe(ctx, b.client, s.HealthURL(), s.Codes).Err
}

// Explain gives the last lines of the guest's console, and where all of them are.
func (b *Boot) Explain() string { return lastWords(b.files.SerialLog) }

// Close removes what belongs to this run alone. QEMU must be gone, or never have run.
func (b *Boot) Close() error {
	var err error
	b.closing.Do(func() {
		b.handOver()
		for _, s := range b.sockets {
			err = errors.Join(err, ignoreMissing(os.Remove(s.path)))
		}
		if b.process != nil { // else the file may tell of a VM that is not ours
			err = errors.Join(err, ignoreMissing(os.Remove(b.files.PID)), ignoreMissing(os.Remove(b.files.Running)))
		}
		if b.session != nil { // what the next session needs of it has been taken out
			err = errors.Join(err, os.RemoveAll(b.files.SessionLive))
		}
	})
	return err
}
