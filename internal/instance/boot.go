package instance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"

	"github.com/stackemu/stackemu/internal/health"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/iso"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qga"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// Boot is all that one run of QEMU needs. Launch may be called once; Close at any time, also twice.
type Boot struct {
	Notes []string // lines for the user

	files    home.Instance
	profile  profile.Profile
	binary   *qemu.Binary
	layout   qemu.Layout
	wiring   qemu.Wiring
	args     []string
	client   *http.Client
	sockets  []socket // monitor and agent
	launched bool
	closing  sync.Once
}

// socket is a listening socket until QEMU has it.
type socket struct {
	path     string
	listener *net.UnixListener
	file     *os.File // the same one, for QEMU
}

// findQEMU finds the program and the accelerator that really runs guests.
func (i *Instance) findQEMU(ctx context.Context, b *Boot) error {
	arch := qemu.Arch(i.config.Arch)
	var err error
	if b.binary, err = qemu.Find(ctx, arch); err != nil {
		return err
	}
	if b.profile.OriginalLayout {
		b.layout = qemu.OriginalLayout(arch, i.config.RAMMiB, i.config.CPUs)
	} else {
		b.layout = qemu.Default(arch, i.config.RAMMiB, i.config.CPUs)
	}
	accel, note, err := qemu.ProbeAccel(ctx, b.binary, b.layout, i.home.Cache)
	if err != nil {
		return err
	}
	if note != "" {
		b.Notes = append(b.Notes, note)
	}
	b.wiring.Accel = accel
	return nil
}

// writeConfig writes the STACKCFG disk: what this instance is on the host (docs/architecture.md, "The guest contract").
func (i *Instance) writeConfig(_ context.Context, b *Boot) error {
	runtimeEnv := fmt.Sprintf("STACK_EMULATOR_PORT_PREFIX=%d\n", i.config.PortPrefix)
	ports := i.config.Ports
	for _, v := range []struct {
		name string
		port int
	}{{"DASHBOARD", ports.Dashboard}, {"BACKEND", ports.Backend}, {"MINIO", ports.Storage}, {"INBUCKET", ports.Mail}} {
		runtimeEnv += fmt.Sprintf("STACK_EMULATOR_%s_HOST_PORT=%d\n", v.name, v.port)
	}
	runtimeEnv += "STACK_EMULATOR_VM_DIR_HOST=\n" // nothing of the host is mounted in the guest
	return iso.Write(i.Files.ConfigISO, "STACKCFG", map[string][]byte{
		"runtime.env": []byte(runtimeEnv),
		"base.env":    []byte("NEXT_PUBLIC_STACK_IS_LOCAL_EMULATOR=true\n"),
	})
}

// listen opens the sockets of monitor and agent before QEMU runs, so that nobody has to wait for them to appear.
func (i *Instance) listen(_ context.Context, b *Boot) error {
	for _, path := range []string{i.Files.MonitorSock, i.Files.AgentSock} {
		l, f, err := qemu.Listen(path)
		if err != nil {
			return err
		}
		b.sockets = append(b.sockets, socket{path, l, f})
	}
	return nil
}

func (i *Instance) wire(_ context.Context, b *Boot) error {
	placeholder, err := i.home.Placeholder()
	if err != nil {
		return err
	}
	w := &b.wiring
	w.Name, w.Disk, w.Config, w.Placeholder = "stackemu-"+i.Files.Name, i.Files.Disk, i.Files.ConfigISO, placeholder
	w.MonitorFD, w.AgentFD = qemu.FirstFD, qemu.FirstFD+1
	w.Serial, w.VMGenID, w.Sandbox = i.Files.SerialLog, "auto", runtime.GOOS == "linux"
	for _, s := range b.profile.Services {
		w.Forwards = append(w.Forwards, qemu.Forward{HostPort: s.HostPort, GuestPort: s.GuestPort})
	}
	if b.args, err = b.layout.Argv(*w); err != nil {
		return err
	}
	b.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return freshSerialLog(i.Files.SerialLog)
}

// Services is the table of what the image offers, with this instance's host ports.
func (b *Boot) Services() []profile.Service { return b.profile.Services }

// Launch starts QEMU and notes whose process it is.
func (b *Boot) Launch() (*qemu.Process, error) {
	c := qemu.Command{Path: b.binary.Path, Args: b.args, Log: b.files.QEMULog}
	for _, s := range b.sockets {
		c.Files = append(c.Files, s.file)
	}
	p, err := qemu.Start(c)
	b.handOver()
	if err != nil {
		return nil, err
	}
	b.launched = true
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

// DialMonitor opens the QMP channel.
func (b *Boot) DialMonitor(ctx context.Context, onEvent func(qmp.Event)) (*qmp.Conn, error) {
	return qmp.Dial(ctx, b.files.MonitorSock, onEvent)
}

// DialAgent opens the guest-agent channel.
func (b *Boot) DialAgent(ctx context.Context) (*qga.Client, error) {
	return qga.Dial(ctx, b.files.AgentSock)
}

// Probe asks one service whether it is well.
func (b *Boot) Probe(ctx context.Context, s profile.Service) error {
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
		if b.launched { // else the file may tell of a VM that is not ours
			err = errors.Join(err, ignoreMissing(os.Remove(b.files.PID)))
		}
	})
	return err
}
