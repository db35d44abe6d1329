//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// killAll is a script that kills all processes of a name, with what every shell has.
func killAll(name string) string {
	return fmt.Sprintf(`for p in /proc/[0-9]*; do read -r c <$p/comm && [ "$c" = %s ] && kill -9 "${p#/proc/}"; done 2>/dev/null; true`, name)
}

// sysrq is a script that tells the guest's kernel what to do, at once.
func sysrq(letter string) string {
	return "echo 1 >/proc/sys/kernel/sysrq; echo " + letter + " >/proc/sysrq-trigger"
}

// hurtGuest runs a script in the guest.
func hurtGuest(script string) func(*target) (func(), error) {
	return func(x *target) (func(), error) { return nil, x.inGuest(script) }
}

// hurtGuestSoon runs a script after the agent has answered, which it does not outlive, and waits until it has had its effect.
func hurtGuestSoon(script string, effect func(x *target, since time.Time) bool) func(*target) (func(), error) {
	return func(x *target) (func(), error) {
		since := time.Now()
		if err := x.inGuest(fmt.Sprintf("setsid sh -c 'sleep 0.5; %s' >/dev/null 2>&1 </dev/null &", script)); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeoutCause(x.Context(), 2*time.Minute, errors.New("the fault has had no effect"))
		defer cancel()
		return nil, x.until(ctx, func() error {
			if effect(x, since) {
				return nil
			}
			return errors.New("all is well")
		})
	}
}

func vmIsGone(x *target, _ time.Time) bool {
	id, err := x.vm()
	return err != nil || !id.Alive()
}

func agentIsGone(x *target, since time.Time) bool {
	return x.tells(`"type":"AgentPort".*"open":false`, since) == nil
}

func backendIsGone(x *target, _ time.Time) bool {
	ctx, cancel := context.WithTimeout(x.Context(), 2*time.Second)
	defer cancel()
	return x.asks(ctx, "backend", "/") != nil
}
