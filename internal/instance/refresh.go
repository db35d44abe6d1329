package instance

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/toolport"
	"github.com/stackemu/stackemu/qemu/qga"
)

// This file brings a guest up to date: its clock, its random numbers, this instance's ports, its mounts and its secrets. A
// guest with our tools does all of it in one round trip. A session that knows its ports already wants the clock only. A guest
// without our tools, whose image was built elsewhere, does it step by step with what the guest contract names and what every
// Linux has.

// entropyBytes is what a guest gets for its random pool: twice what the kernel's generator is keyed with.
const entropyBytes = 64

// Refresh brings the guest up to date: clock, entropy, this instance's ports, and secrets of its own, unless those that it has
// are its own already. It may be repeated.
func (b *Boot) Refresh(ctx context.Context, g *qga.Client) (guestapi.Result, error) {
	request := b.wanted()
	refresh := refreshAtOnce
	if b.wantsClockOnly(request) {
		refresh = setClock
	}
	result, err := refresh(ctx, g, request)
	if err != nil {
		return result, err
	}
	if b.rotatesByProgram() {
		step, err := b.rotateByProgram(ctx, g)
		if err != nil {
			return result, err
		}
		result.Steps = append(result.Steps, step)
	}
	b.told = b.runtimeEnv()
	return result, nil
}

// RefreshAtPort is Refresh by the guest's tools at their port, which are there already: no process has to be started. The error is a
// [toolport.ErrUnheard] when nothing was done, and Refresh is to be called instead.
func (b *Boot) RefreshAtPort(ctx context.Context) (guestapi.Result, error) {
	request := b.wanted()
	if b.rotatesByProgram() {
		return guestapi.Result{}, fmt.Errorf("%w: the profile's rotation is a program", toolport.ErrUnheard)
	}
	asked := guestapi.Request{Time: time.Now()}
	if !b.wantsClockOnly(request) {
		asked = timely(request)
	}
	result, err := toolport.Call(ctx, b.files.ToolsSock, &asked)
	if err == nil {
		err = failed(result)
	}
	if err == nil {
		b.told = b.runtimeEnv()
	}
	return result, err
}

// wanted is what the guest is to be told. What it knows of its host it is not told again: to compare takes it longer than us.
func (b *Boot) wanted() guestapi.Request {
	if b.secrets == nil && b.rotates() {
		b.secrets = freshSecrets(b.secretNames())
	}
	request := guestapi.Request{Mounts: b.guestMounts()}
	if !b.knowsHost() {
		request.Runtime = b.runtimeEnv()
	}
	if b.profile.Rotation == nil {
		request.Secrets = b.secrets
	}
	return request
}

func (b *Boot) rotatesByProgram() bool { return b.secrets != nil && b.profile.Rotation != nil }

// timely is a request of this moment.
func timely(request guestapi.Request) guestapi.Request {
	request.Time, request.Entropy = time.Now(), make([]byte, entropyBytes)
	_, _ = rand.Read(request.Entropy) // never fails
	return request
}

// refreshAtOnce is Refresh for a guest with our tools, and passes any other on.
func refreshAtOnce(ctx context.Context, g *qga.Client, request guestapi.Request) (guestapi.Result, error) {
	request = timely(request)
	input, err := json.Marshal(request)
	if err != nil {
		return guestapi.Result{}, err
	}
	out, err := g.Exec(ctx, guestapi.Program, []string{guestapi.Command}, input)
	if errors.Is(err, qga.ErrNoProgram) {
		return refreshByStep(ctx, g, request)
	}
	if err != nil {
		return guestapi.Result{}, err
	}
	result, err := guestapi.ParseResult(out.Stdout)
	switch {
	case err != nil:
		return result, fmt.Errorf("%s: exit code %d, %w: %s", guestapi.Command, out.ExitCode, err, firstLine(out.Stderr))
	case result.Err() != nil:
		return result, failed(result)
	case out.ExitCode != 0:
		return result, fmt.Errorf("%s: exit code %d: %s", guestapi.Command, out.ExitCode, firstLine(out.Stderr))
	}
	return result, nil
}

// failed is the failure of a step, under the name of the command that did it.
func failed(result guestapi.Result) error {
	if err := result.Err(); err != nil {
		return fmt.Errorf("%s: %w", guestapi.Command, err)
	}
	return nil
}

// wantsClockOnly tells whether everything but the clock is in the guest already, as in a session that was saved with the ports
// that it has now. A session is used once, so its random numbers are nobody else's.
func (b *Boot) wantsClockOnly(r guestapi.Request) bool {
	return b.session != nil && r.Runtime == nil && len(r.Mounts) == 0 && len(r.Secrets) == 0
}

// knowsHost tells whether the guest knows this instance's host ports, and whatever else of its host it is told. One that boots reads
// them from its config disk, but may have been built by somebody who does not look there.
func (b *Boot) knowsHost() bool { return b.told != nil && maps.Equal(b.told, b.runtimeEnv()) }

// setClock asks the agent itself. A process in the guest would take three times as long under TCG, where none of its code is
// translated after a resume.
func setClock(ctx context.Context, g *qga.Client, _ guestapi.Request) (guestapi.Result, error) {
	began := time.Now()
	if err := g.SetTime(ctx, began); err != nil {
		return guestapi.Result{}, fmt.Errorf("%s: %w", guestapi.StepClock, err)
	}
	return guestapi.Result{Steps: []guestapi.Step{{Name: guestapi.StepClock, Took: time.Since(began)}}}, nil
}

// rotateProgram is the guest contract's (docs/architecture.md).
const rotateProgram = "/usr/local/bin/trigger-fast-rotate"

// refreshByStep is Refresh for a guest without our tools. Such a guest cannot be told of other host ports than those that it
// was booted with.
func refreshByStep(ctx context.Context, g *qga.Client, request guestapi.Request) (guestapi.Result, error) {
	var result guestapi.Result
	for _, step := range []struct {
		name   string
		wanted bool
		run    func() error
	}{
		{guestapi.StepClock, true, func() error { return g.SetTime(ctx, time.Now()) }},
		{guestapi.StepEntropy, true, func() error {
			return run(ctx, g, request.Entropy, "/bin/dd", "of=/dev/urandom", "status=none")
		}},
		{guestapi.StepMounts, len(request.Mounts) > 0, func() error { return mountByStep(ctx, g, request.Mounts) }},
		{guestapi.StepRotation, len(request.Secrets) > 0, func() error {
			return withoutSecrets(run(ctx, g, []byte(envLines(request.Secrets)), rotateProgram), request.Secrets)
		}},
	} {
		if !step.wanted {
			continue
		}
		began := time.Now()
		if err := step.run(); err != nil {
			return result, fmt.Errorf("%s: %w", step.name, err)
		}
		result.Steps = append(result.Steps, guestapi.Step{Name: step.name, Took: time.Since(began)})
	}
	return result, nil
}

// withoutSecrets is an error whose text, which may be the guest's, gives none of them away.
func withoutSecrets(err error, secrets map[string]string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for name, secret := range secrets {
		text = strings.ReplaceAll(text, secret, "("+name+")")
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// mountByStep mounts what has just been plugged in. A guest may find a device a moment after its agent answers, which is what
// the emulator's second try is for.
func mountByStep(ctx context.Context, g *qga.Client, mounts []guestapi.Mount) error {
	for _, m := range mounts {
		if run(ctx, g, nil, "/bin/mountpoint", "-q", m.Path) == nil {
			continue // by the try before this one
		}
		options := "trans=virtio,version=9p2000.L,msize=524288,access=any,nosuid,nodev"
		if m.ReadOnly {
			options += ",ro"
		}
		if err := run(ctx, g, nil, "/bin/mkdir", "-p", path.Clean(m.Path)); err != nil {
			return err
		}
		if err := run(ctx, g, nil, "/bin/mount", "-t", "9p", "-o", options, m.Tag, m.Path); err != nil {
			return err
		}
	}
	return nil
}

// run runs a program in the guest, which has nothing to say unless it fails.
func run(ctx context.Context, g *qga.Client, input []byte, program string, args ...string) error {
	out, err := g.Exec(ctx, program, args, input)
	if err != nil {
		return err
	}
	if out.ExitCode != 0 {
		return fmt.Errorf("%s: exit code %d: %s", program, out.ExitCode, firstLine(out.Stderr))
	}
	return nil
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}
