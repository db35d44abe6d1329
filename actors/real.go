package actors

import (
	"context"
	"errors"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
	"github.com/rs/zerolog"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/download/image"
	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/messages"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qga"
	qmpclient "github.com/stackemu/stackemu/qemu/qmp"
)

// RealWorld is the world of a configuration: real files, a real QEMU. This file only fits the plain libraries to the
// interfaces of the tree. log gets what they have found out and no user asks for.
func RealWorld(c config.Config, log zerolog.Logger) World { return realWorld{c, log} }

type realWorld struct {
	config config.Config
	log    zerolog.Logger
}

func (w realWorld) Open(_ context.Context, name string) (Instance, error) {
	i, err := instance.Open(w.config, name)
	if err != nil {
		return nil, err
	}
	return realInstance{i, w}, nil
}

func (w realWorld) OpenCapture(ctx context.Context) (Instance, error) {
	i, err := instance.OpenCapture(ctx, w.config)
	if err != nil {
		return nil, err
	}
	return realInstance{i, w}, nil
}

func (w realWorld) Snapshots() *snapshot.Store { return snapshot.Open(w.config.Folders().Snapshots) }

type realInstance struct {
	*instance.Instance
	world realWorld
}

func (i realInstance) MessagesLog() string { return i.Files.MessagesLog }

func (i realInstance) Survey(ctx context.Context, limits lifecycle.Prepare) (Survey, error) {
	s, err := i.Instance.Survey(ctx, instance.Limits{Cold: limits.Cold, Captured: limits.Captured})
	if errors.Is(err, instance.ErrNoImage) && !i.world.config.Offline {
		conf := i.world.config
		return Survey{Missing: &MissingImage{image.Request{Arch: conf.Arch, Repo: conf.ImageRepo, Branch: conf.ImageBranch}, err}}, nil
	}
	if err != nil {
		return Survey{}, err
	}
	i.world.log.Debug().Str("accel", string(s.Machine.Accel)).Str("detail", s.Machine.Detail).Msg("accelerator")
	survey := Survey{Notes: s.Notes}
	if w := s.Want; w != nil {
		survey.Want = &messages.WantSnapshot{Parts: w.Parts, Key: w.Parts.Key(), MayCapture: w.Capture, Force: w.Force}
	}
	return survey, nil
}

// ways are the words of the state machine for those of the library.
var ways = map[instance.Way]lifecycle.Way{instance.Cold: lifecycle.Cold, instance.Capture: lifecycle.Capture, instance.Resume: lifecycle.Resume,
	instance.Adopt: lifecycle.Adopt}

func (i realInstance) Prepare(ctx context.Context, choice Choice) (*Boot, error) {
	var from instance.Choice
	if choice.Snapshot != nil {
		from.Resume, from.Runtime = &choice.Snapshot.Files, choice.Snapshot.Runtime
	}
	if choice.Capture != nil {
		from.Capture = &choice.Capture.Files
	}
	b, err := i.Instance.Prepare(ctx, from)
	if err != nil {
		return nil, err
	}
	boot := &Boot{Way: ways[b.Way], Sessions: b.Sessions(), Open: b.Open(), Ready: b.Ready, Notes: b.Notes,
		Confirm: b.Confirm, Seal: b.Seal, Manifest: b.Manifest, Explain: b.Explain, Close: b.Close}
	if b.HasName() {
		boot.Name = b.Name
	}
	for _, s := range b.Services() {
		boot.Services = append(boot.Services, messages.Service{Name: s.Name, URL: s.URL(), Health: s.HealthURL()})
		boot.Checks = append(boot.Checks, Check{s.Name, func(ctx context.Context) error { return b.Probe(ctx, s) }})
	}
	boot.Launch = func() (Process, error) {
		p, err := b.Launch()
		if err != nil {
			return nil, err // not a nil *qemu.Process in an interface
		}
		return p, nil
	}
	boot.DialMonitor = func(ctx context.Context, onEvent func(qmp.Event)) (MonitorConn, error) {
		conn, err := b.DialMonitor(ctx, onEvent)
		if err != nil {
			return nil, err
		}
		return realMonitor{conn, b}, nil
	}
	boot.DialAgent = func(ctx context.Context) (AgentConn, error) {
		conn, err := b.DialAgent(ctx)
		if err != nil {
			return nil, err
		}
		return realAgent{conn, b}, nil
	}
	boot.AskTools = b.RefreshAtPort
	return boot, nil
}

type realMonitor struct {
	*qmpclient.Conn
	boot *instance.Boot
}

func (m realMonitor) Version() string { return m.Conn.Version().String() }

func (m realMonitor) Status(ctx context.Context) (string, error) {
	s, err := m.Conn.Status(ctx)
	return s.Status, err
}

// Ports asks the ports' backends, for the events that tell of their opening may be long past.
func (m realMonitor) Ports(ctx context.Context) (agent, tools bool, err error) {
	open, err := m.Frontends(ctx)
	return open[qemu.AgentChardev], open[qemu.ToolsChardev], err
}

func (m realMonitor) Load(ctx context.Context) error      { return m.boot.Load(ctx, m.Conn) }
func (m realMonitor) OpenPorts(ctx context.Context) error { return m.boot.OpenPorts(ctx, m.Conn) }
func (m realMonitor) Save(ctx context.Context) error      { return m.boot.Save(ctx, m.Conn) }

type realAgent struct {
	*qga.Client
	boot *instance.Boot
}

func (a realAgent) SetClock(ctx context.Context) error { return a.SetTime(ctx, time.Now()) }

func (a realAgent) Refresh(ctx context.Context) (guestapi.Result, error) {
	return a.boot.Refresh(ctx, a.Client)
}

func (a realAgent) Quiet(ctx context.Context) error { return a.boot.Quiet(ctx, a.Client) }
