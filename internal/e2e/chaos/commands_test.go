//go:build linux

package chaos

import (
	"context"
	"errors"
	"strings"
	"time"
)

func stop(x *target) (func(), error) {
	_, err := x.run("stop", x.name)
	return nil, err
}

func stopNow(x *target) (func(), error) {
	_, err := x.run("stop", "--kill", x.name)
	return nil, err
}

func restart(x *target) (func(), error) {
	_, err := x.run("restart", x.name)
	return nil, err
}

// atOnce runs commands at the same time. A start may be told that somebody has stopped what it waited for.
func (x *target) atOnce(commands ...string) error {
	errs := make(chan error)
	for _, command := range commands {
		go func() {
			_, err := x.run(command, x.name)
			if err != nil && command != "stop" && strings.Contains(err.Error(), "was stopped while it started") {
				err = nil
			}
			errs <- err
		}()
	}
	var all []error
	for range commands {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// twoStarts of an instance whose QEMU has just died.
func twoStarts(x *target) (func(), error) {
	if err := killVMIfAny(x); err != nil {
		return nil, err
	}
	return nil, x.atOnce("start", "start")
}

func startAndStop(x *target) (func(), error) { return nil, x.atOnce("start", "stop") }

func twoRestarts(x *target) (func(), error) { return nil, x.atOnce("restart", "restart") }

// interrupt runs a command and presses Ctrl-C after a time.
func (x *target) interrupt(after time.Duration, args ...string) {
	ctx, cancel := context.WithTimeout(x.Context(), after)
	defer cancel()
	_, _ = x.house.run(ctx, x.env, args...) // it may have been quicker
}

func interruptStart(x *target) (func(), error) {
	d := x.seconds(0.1, 5)
	if _, err := x.run("stop", x.name); err != nil {
		return nil, err
	}
	x.interrupt(d, "start", x.name)
	return nil, nil
}

func interruptStop(x *target) (func(), error) {
	d := x.seconds(0.2, 3)
	x.interrupt(d, "stop", x.name)
	return nil, nil
}
