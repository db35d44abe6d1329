package actors

import (
	"context"

	"github.com/digitalocean/go-qemu/qmp"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/messages"
	"github.com/stackemu/stackemu/qemu"
	qmpclient "github.com/stackemu/stackemu/qemu/qmp"
)

// RealWorld is the world of a configuration: real files, a real QEMU. This file only fits the plain libraries to the
// interfaces of the tree.
func RealWorld(c config.Config) World { return realWorld{c} }

type realWorld struct{ config config.Config }

func (w realWorld) Open(_ context.Context, name string) (Instance, error) {
	i, err := instance.Open(w.config, name)
	if err != nil {
		return nil, err
	}
	return realInstance{i}, nil
}

type realInstance struct{ *instance.Instance }

func (i realInstance) MessagesLog() string { return i.Files.MessagesLog }

func (i realInstance) Prepare(ctx context.Context) (*Boot, error) {
	b, err := i.Instance.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	boot := &Boot{Notes: b.Notes, Explain: b.Explain, Close: b.Close}
	for _, s := range b.Services() {
		boot.Services = append(boot.Services, messages.Service{Name: s.Name, URL: s.URL()})
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
		return realMonitor{conn}, nil
	}
	boot.DialAgent = func(ctx context.Context) (AgentConn, error) {
		conn, err := b.DialAgent(ctx)
		if err != nil {
			return nil, err
		}
		return conn, nil
	}
	return boot, nil
}

type realMonitor struct{ *qmpclient.Conn }

func (m realMonitor) Version() string { return m.Conn.Version().String() }

func (m realMonitor) Status(ctx context.Context) (string, error) {
	s, err := m.Conn.Status(ctx)
	return s.Status, err
}

// AgentOpen asks the backend of the agent's port, for the event that tells of its opening may be long past.
func (m realMonitor) AgentOpen(ctx context.Context) (bool, error) {
	return m.FrontendOpen(ctx, qemu.AgentChardev)
}
