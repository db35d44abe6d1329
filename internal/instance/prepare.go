package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/stackemu/stackemu/internal/hostport"
	"github.com/stackemu/stackemu/internal/iso"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu"
)

// Choice is what a run of QEMU starts from. The zero Choice is the instance's saved session or its disk, and the image when
// it has neither.
type Choice struct {
	Resume  *snapshot.Files   // the snapshot to resume
	Runtime map[string]string // what its guest knows of its host; nil when nobody can say
	Capture *snapshot.Files   // what is to be captured
}

// Prepare makes everything ready for one run of QEMU, after a [Instance.Survey]. It returns soon after ctx is done.
func (i *Instance) Prepare(ctx context.Context, choice Choice) (*Boot, error) {
	s := &i.surveyed
	if s.orphan != nil {
		return i.adopt(s.orphan), nil
	}
	b := &Boot{files: i.Files, home: i.home, config: i.config, survey: *s, began: time.Now()}
	b.Notes = nil // those of the survey have been told
	b.wiring.Accel = s.Machine.Accel
	var disks func(context.Context) error
	switch {
	case choice.Capture != nil:
		disks = func(ctx context.Context) error { return b.capture(ctx, *choice.Capture) }
	case choice.Resume != nil:
		disks = func(ctx context.Context) error { return b.resume(ctx, *choice.Resume, choice.Runtime) }
	case s.ownDisk:
		disks = b.ownDisk
	default:
		disks = b.freshDisk
	}
	err := steps(ctx, disks, b.permitted, b.choosePorts, b.writeConfig, b.listen, b.wire)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	switch {
	case b.Way == Capture:
	case b.config.NoRotation:
		b.Notes = append(b.Notes, publicSecrets)
	case !b.profile.Rotates():
		b.note("the profile %s has no rotation: the secrets of this instance are those of its image", b.profile.Name)
	}
	return b, nil
}

const publicSecrets = "rotation is switched off: THE SECRETS OF THIS INSTANCE ARE THE PUBLIC ONES of its image, and its ports answer at once"

// permitted keeps to the user's wish to never boot from the disk.
func (b *Boot) permitted(context.Context) error {
	if b.config.RequireSnapshot && b.Way == Cold {
		return ErrNoSnapshot
	}
	return nil
}

// choosePorts sees that the host ports are free: QEMU would only say that it could not listen. A capture serves nobody but
// the health checks, and takes what is free.
func (b *Boot) choosePorts(context.Context) error {
	if b.Way == Capture {
		return b.anyPorts()
	}
	var errs []error
	for n := range b.profile.Services {
		s := &b.profile.Services[n]
		if err := hostport.Check(s.HostPort); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (b *Boot) anyPorts() error {
	b.profile.Services = slices.Clone(b.profile.Services)
	for n := range b.profile.Services {
		port, l, err := anyPort()
		if err != nil {
			return err
		}
		defer l.Close() // all of them at the end, so that no port is given twice
		b.profile.Services[n].HostPort = port
	}
	return nil
}

// anyPort is a port that nobody else has before the closer is closed.
func anyPort() (int, io.Closer, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, nil, fmt.Errorf("a port for the health checks: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, l, nil
}

// runtimeEnv is what this instance is on the host (docs/architecture.md, "The guest contract").
func (b *Boot) runtimeEnv() map[string]string {
	ports := b.config.Ports
	env := map[string]string{
		"STACK_EMULATOR_PORT_PREFIX": fmt.Sprint(b.config.PortPrefix),
		"STACK_EMULATOR_VM_DIR_HOST": "", // nothing of the instance's directory is mounted in the guest
	}
	for name, port := range map[string]int{"DASHBOARD": ports.Dashboard, "BACKEND": ports.Backend, "MINIO": ports.Storage, "INBUCKET": ports.Mail} {
		env["STACK_EMULATOR_"+name+"_HOST_PORT"] = fmt.Sprint(port)
	}
	return env
}

// writeConfig writes the STACKCFG disk.
func (b *Boot) writeConfig(context.Context) error {
	return iso.Write(b.files.ConfigISO, "STACKCFG", map[string][]byte{
		"runtime.env": []byte(envLines(b.runtimeEnv())),
		"base.env":    []byte("NEXT_PUBLIC_STACK_IS_LOCAL_EMULATOR=true\n"),
	})
}

// channels are the sockets of a machine. Guests whose layout is not ours have no port for the tools.
func (b *Boot) channels() []string {
	if b.layout.Original {
		return []string{b.files.MonitorSock, b.files.AgentSock}
	}
	return []string{b.files.MonitorSock, b.files.AgentSock, b.files.ToolsSock}
}

// listen opens the sockets before QEMU runs, so that nobody has to wait for them to appear.
func (b *Boot) listen(context.Context) error {
	for _, path := range b.channels() {
		l, f, err := qemu.Listen(path)
		if err != nil {
			return err
		}
		b.sockets = append(b.sockets, socket{path, l, f})
	}
	return nil
}

func (b *Boot) wire(context.Context) error {
	placeholder, err := b.home.Placeholder()
	if err != nil {
		return err
	}
	w := &b.wiring
	w.Name, w.Config, w.Placeholder = "stackemu-"+b.files.Name, b.files.ConfigISO, placeholder
	w.MonitorFD, w.AgentFD = qemu.FirstFD, qemu.FirstFD+1
	if !b.layout.Original {
		w.ToolsFD = qemu.FirstFD + 2
	}
	w.Serial, w.VMGenID, w.Sandbox = b.files.SerialLog, "auto", runtime.GOOS == "linux"
	w.Mounts = b.hostMounts()
	if !b.fenced() {
		for _, s := range b.Services() {
			w.Forwards = append(w.Forwards, qemu.Forward{HostPort: s.HostPort, GuestPort: s.GuestPort})
		}
	}
	if b.layout.Arch == qemu.ARM64 {
		if w.Firmware, err = b.binary.FindFirmware(); err != nil {
			return err
		}
	}
	if b.args, err = b.layout.Argv(*w); err != nil {
		return err
	}
	b.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return freshSerialLog(b.files.SerialLog)
}
