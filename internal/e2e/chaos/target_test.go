//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/msglog"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/qemu"
)

// target is one instance: it is under load, and it is hurt.
type target struct {
	*house
	name   string
	files  home.Instance
	random *rand.Rand
	env    []string // its host ports
	ledger ledger
	urls   atomic.Pointer[map[string]string] // of its services, as it said last
}

func (h *house) target(name string, random *rand.Rand) *target {
	return &target{house: h, name: name, files: h.files(name), random: random, env: h.ports(), ledger: newLedger()}
}

func (x *target) run(args ...string) (output, error) { return x.house.run(x.Context(), x.env, args...) }

// start is the one command that must do after every fault.
func (x *target) start() error {
	_, err := x.run("start", x.name)
	return err
}

// status is what the instance's supervisor says; its exit code says the same.
func (x *target) status() (status.Status, error) {
	out, err := x.run("status", "--json", x.name)
	var got struct{ Data status.Status }
	if bad := json.Unmarshal([]byte(out.stdout), &got); bad != nil {
		return got.Data, errors.Join(bad, err)
	}
	return got.Data, nil
}

// look finds out where the services are: a start may have given them other ports.
func (x *target) look() {
	now, err := x.status()
	if err != nil || len(now.Services) == 0 {
		return // well tells what is wrong
	}
	urls := map[string]string{}
	for _, s := range now.Services {
		urls[s.Name] = fmt.Sprintf("http://127.0.0.1:%d", s.Port)
	}
	x.urls.Store(&urls)
}

// healthPaths are what a service is asked that is well.
var healthPaths = map[string]string{"backend": "/health?db=1", "dashboard": "/handler/sign-in"}

// well waits until the instance really works: both services answer, a program runs in the guest, and a new row is stored.
func (x *target) well() error {
	ctx, cancel := context.WithTimeoutCause(x.Context(), recoveryLimit, fmt.Errorf("not well within %v", recoveryLimit))
	defer cancel()
	for service, path := range healthPaths {
		if err := x.until(ctx, func() error { return x.asks(ctx, service, path) }); err != nil {
			return err
		}
	}
	if err := x.until(ctx, func() error { return x.inGuest("true") }); err != nil {
		return err
	}
	before := x.ledger.size()
	return x.until(ctx, func() error {
		if x.ledger.size() > before {
			return nil
		}
		return fmt.Errorf("no row is stored: %w", x.ledger.lastError())
	})
}

// until tries until it works. Its error has the last one.
func (x *target) until(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// direct keeps no connection: each request is one of its own.
var direct = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (x *target) asks(ctx context.Context, service, path string) error {
	urls := x.urls.Load()
	if urls == nil {
		return errors.New("it does not say where its services are")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, (*urls)[service]+path, nil)
	if err != nil {
		return err
	}
	answer, err := direct.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", service, answer.StatusCode)
	}
	return nil
}

// inGuest runs a script in the guest.
func (x *target) inGuest(script string) error {
	_, err := x.run("exec", "--no-stdin", x.name, "--", "/bin/sh", "-c", script)
	return err
}

// vm and supervisor are the processes of the instance.
func (x *target) vm() (qemu.Identity, error) { return qemu.ReadPID(x.files.PID) }

func (x *target) supervisor() (qemu.Identity, error) {
	now, err := x.status()
	if err != nil || now.Supervisor == nil {
		return qemu.Identity{}, fmt.Errorf("no supervisor: %w", err)
	}
	return qemu.IdentityOf(now.Supervisor.PID)
}

// tells checks that the message log has a line that matches a pattern, written since a time.
func (x *target) tells(pattern string, since time.Time) error {
	if pattern == "" {
		return nil
	}
	want := regexp.MustCompile(pattern)
	for n := range msglog.Segments {
		text, err := os.ReadFile(msglog.Segment(x.files.MessagesLog, n))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			var at struct{ Time time.Time }
			if json.Unmarshal([]byte(line), &at) == nil && !at.Time.Before(since.Truncate(time.Microsecond)) && want.MatchString(line) {
				return nil
			}
		}
	}
	return fmt.Errorf("the message log tells nothing of it: nothing matches %s", pattern)
}

// evidence is what a failure is judged by.
func (x *target) evidence() string {
	now, err := x.status()
	text, _ := json.Marshal(now)
	log, _ := exec.Command("tail", "-n", "40", x.files.SupervisorLog).CombinedOutput()
	return fmt.Sprintf("status: %s %v\n%s:\n%s", text, err, x.files.SupervisorLog, log)
}
