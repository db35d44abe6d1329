//go:build linux

package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
)

// fault is one way to hurt an instance.
type fault struct {
	name string
	// weight is how often it is chosen, next to the others.
	weight int
	// tells is a regular expression: a line of the instance's message log must match it after the fault. One of the words below for
	// faults that are not the actors' to notice.
	tells string
	// do hurts the instance, and returns when it is hurt. mend, if not nil, is called once the instance has come back, or has not.
	// All that is random in it is drawn from the instance's own source, and always as much of it, so that a seed means the same faults again.
	do func(x *target) (mend func(), err error)
}

// Why a message log need not tell of a fault. That the instance is well afterwards is seen all the same.
const (
	passes  = "" // whatever stands still goes on before anybody has to act
	inGuest = "" // the guest mends it itself: its own supervisor, or systemd, starts anew what has died
	outside = "" // nothing is to be done, or not by an actor: the file is not needed again, or the control socket's server makes another
	another = "" // another instance notices, and the fault looks into its log
)

// catalogue is all that can happen. docs/chaos.md says what each row proves.
var catalogue = []*fault{
	{"QEMU is killed", 4, `"type":"MachineExited"`, killVM},
	{"QEMU is told to end", 1, `"type":"MachineExited"`, endVM},
	{"QEMU stands still for a while", 2, passes, freezeVM},
	{"QEMU stands still for good", 1, `"kind":"failure".*monitor`, freezeVMForGood},
	{"the supervisor is killed", 4, `"next":"adopting"`, killSupervisor},
	{"the supervisor is told to end", 1, `"next":"saving"`, endSupervisor},
	{"the supervisor stands still for a while", 2, passes, freezeSupervisor},
	{"the supervisor stands still for good", 1, `"kind":"run"`, freezeSupervisorForGood},
	{"both are killed", 3, `"kind":"run"`, killBoth},
	{"the host is rebooted", 1, `"kind":"run"`, reboot},
	{"QEMU is killed during a start", 2, `"kind":"run"`, hurtStart(killVMIfAny)},
	{"the supervisor is killed during a start", 2, `"kind":"run"`, hurtStart(killSupervisorIfAny)},
	{"QEMU is killed during a stop", 2, `"next":"(saving|stopping)"`, hurtStop(killVMIfAny)},
	{"the supervisor is killed during a stop", 2, `"next":"(saving|stopping)"`, hurtStop(killSupervisorIfAny)},

	{"the monitor's connection is cut", 2, `"type":"MonitorLost"`, cutMonitor},
	{"the guest agent's connection is cut", 2, `"kind":"failure".*agent-`, cutAgent},

	{"PostgreSQL is killed", 3, inGuest, hurtGuest(killAll("postgres"))},
	{"the servers are killed", 2, inGuest, hurtGuest(killAll("node"))},
	{"the container is killed", 2, inGuest, hurtGuest("crun --cgroup-manager=disabled kill stack KILL")},
	{"the guest agent is killed", 2, `"type":"AgentPort"`, hurtGuestSoon(killAll("qemu-ga"), agentIsGone)},
	{"the guest is shut down from inside", 1, `"type":"GuestShutdown"`, hurtGuestSoon("systemctl poweroff", vmIsGone)},
	{"the guest reboots", 1, `"type":"AgentPort"`, hurtGuestSoon(sysrq("b"), backendIsGone)},
	{"the guest's kernel panics", 1, `"type":"AgentPort"`, hurtGuestSoon(sysrq("c"), backendIsGone)},

	{"stop and start", 3, `"next":"saving"`, stop},
	{"stop --kill and start", 2, `"kind":"run"`, stopNow},
	{"restart", 1, `"next":"saving"`, restart},
	{"two starts at once", 2, `"type":"MachineExited"`, twoStarts},
	{"start and stop at once", 2, `"next":"(saving|stopping)"`, startAndStop},
	{"two restarts at once", 1, `"next":"(saving|stopping)"`, twoRestarts},
	{"a start is interrupted", 1, `"kind":"run"`, interruptStart},
	{"a stop is interrupted", 1, `"next":"saving"`, interruptStop},

	{"a file is removed under a running instance", 2, outside, removeAFile},
	{"the control socket is removed", 1, outside, removeControlSocket},
	{"the supervisor is killed, and its note of the VM is gone", 1, `"kind":"run"`, killSupervisorWithout(noteOfVM)},
	{"the supervisor is killed, and the pid file is gone", 1, `"kind":"run"`, killSupervisorWithout(pidFile)},
	{"the supervisor is killed, and its sockets are gone", 1, `"kind":"run"`, killSupervisorWithout(sockets)},
	{"a stopped instance has stale files", 2, `"kind":"run"`, leaveStaleFiles},
	{"a saved session is damaged", 3, "set aside", damageSession},
	{"the snapshot is damaged", 1, another, damageSnapshot},
}

// chosen are the faults of the catalogue that match a regular expression; all for an empty one.
func chosen(pattern string) (all []*fault, err error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	for _, f := range catalogue {
		if re.MatchString(f.name) {
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no fault matches %q", pattern)
	}
	return all, nil
}

// choose draws a fault.
func choose(from []*fault, random *rand.Rand) *fault {
	total := 0
	for _, f := range from {
		total += f.weight
	}
	at := random.IntN(total)
	for _, f := range from {
		if at -= f.weight; at < 0 {
			return f
		}
	}
	panic("unreachable: the weights add up")
}

// skip is the error of a fault that this machine cannot do.
type skip struct{ error }

func isSkip(err error) bool {
	var s skip
	return errors.As(err, &s)
}
