package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qga"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// How often a machine that boots is looked at: what it has read of its disk, and whether a service answers. The latter is the guest's
// work, too.
const (
	readsEvery  = 10 * time.Millisecond
	answerEvery = 100 * time.Millisecond
)

// boot boots a fresh instance from its disk, with rotation, and tells what each stage of that took. A stage that cannot be told
// with this QEMU or this guest is left out.
func (f *folder) boot(ctx context.Context, s setup) (took map[string]time.Duration, err error) {
	err = f.alone(ctx, s, func(ctx context.Context, d *driven, r *room) error {
		if err := d.prepareBoot(ctx, r); err != nil {
			return err
		}
		began := time.Now()
		if err := d.launch(ctx); err != nil {
			return err
		}
		reads, err := d.awaitAgent(ctx, began)
		if err != nil {
			return err
		}
		if err := d.becomeReady(ctx); err != nil {
			return err
		}
		marks := bootMarks{ready: time.Since(began)}
		if err := marks.ask(ctx, d.agent, began); err != nil {
			return err
		}
		marks.firstRead, marks.loaded = loaderReads(reads, marks.init)
		took = marks.stages()
		return nil
	})
	return took, err
}

// prepareBoot does what does not count.
func (d *driven) prepareBoot(ctx context.Context, r *room) error {
	held, err := instance.Open(r.config, home.DefaultInstance)
	if err != nil {
		return err
	}
	d.closers = append(d.closers, held.Close)
	if _, err := held.Survey(ctx, instance.Limits{Cold: true}); err != nil {
		return err
	}
	if d.boot, err = held.Prepare(ctx, instance.Choice{}); err != nil {
		return err
	}
	d.closers = append(d.closers, d.boot.Close)
	return nil
}

// awaitAgent waits until the guest's agent is there, and tells of the changes in what was read of the disk until then. Of a QEMU that
// does not say how much it has read it tells nothing.
func (d *driven) awaitAgent(ctx context.Context, began time.Time) (reads []diskRead, err error) {
	var last int64
	for {
		open, err := d.monitor.FrontendOpen(ctx, qemu.AgentChardev)
		if err != nil {
			return reads, err
		}
		if open {
			return reads, d.dialAgent(ctx)
		}
		total, err := bytesRead(ctx, d.monitor)
		if err != nil {
			return reads, err
		}
		if total > last {
			reads, last = append(reads, diskRead{time.Since(began), total}), total
		}
		if err := wait(ctx, readsEvery); err != nil {
			return reads, fmt.Errorf("the guest's agent: %w", err)
		}
	}
}

// bytesRead is what the machine has read of its disk; 0 where QEMU does not tell.
func bytesRead(ctx context.Context, m *qmp.Conn) (int64, error) {
	var drives []struct {
		Device string `json:"device"`
		Stats  struct {
			Read int64 `json:"rd_bytes"`
		} `json:"stats"`
	}
	err := m.Execute(ctx, "query-blockstats", nil, &drives)
	var refusal *qmp.Error
	if err != nil && !errors.As(err, &refusal) {
		return 0, err
	}
	for _, drive := range drives {
		if drive.Device == "disk" || drive.Device == "virtio0" { // in our layout, and in the original one
			return drive.Stats.Read, nil
		}
	}
	return 0, nil
}

// becomeReady is what the program does from the moment on at which the agent answers.
func (d *driven) becomeReady(ctx context.Context) error {
	if _, err := d.boot.Refresh(ctx, d.agent); err != nil {
		return err
	}
	if err := d.boot.OpenPorts(ctx, d.monitor); err != nil {
		return err
	}
	for _, service := range d.boot.Services() {
		if err := d.awaitHealthy(ctx, service, answerEvery); err != nil {
			return err
		}
	}
	return nil
}

// ask asks the guest when it has done what, by its own clock, and makes that times since began. What it does not know stays unknown.
func (m *bootMarks) ask(ctx context.Context, agent *qga.Client, began time.Time) error {
	before := time.Since(began)
	text, err := said(ctx, agent, "/bin/cat", "/proc/uptime")
	up, known := parseUptime(text)
	if err != nil || !known {
		return err
	}
	zero := (before+time.Since(began))/2 - up // of the guest's clock
	for _, question := range []struct {
		mark    *time.Duration
		answer  func([]byte) (time.Duration, bool)
		command []string
	}{
		{&m.init, parseInit, []string{"/bin/dmesg"}},
		{&m.systemd, parseMicroseconds, []string{"/bin/systemctl", "show", "--value", "--property=UserspaceTimestampMonotonic"}},
		{&m.stack, parseMicroseconds, []string{"/bin/systemctl", "show", "--value", "--property=ExecMainStartTimestampMonotonic", "stack.service"}},
	} {
		text, err := said(ctx, agent, question.command...)
		if err != nil {
			return err
		}
		if at, known := question.answer(text); known {
			*question.mark = zero + at
		}
	}
	return nil
}

// said is the output of a program in the guest; nothing where there is no such program.
func said(ctx context.Context, agent *qga.Client, command ...string) ([]byte, error) {
	result, err := agent.Exec(ctx, command[0], command[1:], nil)
	if errors.Is(err, qga.ErrNoProgram) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return result.Stdout, nil
}
