//go:build linux

package chaos

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/stackemu/stackemu/qemu"
)

// seconds draws a time from low to high seconds.
func (x *target) seconds(low, high float64) time.Duration {
	return time.Duration((low + (high-low)*x.random.Float64()) * float64(time.Second))
}

func signal(id qemu.Identity, s syscall.Signal) error {
	if !id.Alive() {
		return nil
	}
	return syscall.Kill(id.PID, s)
}

// end kills processes and waits until they are gone: what follows must not find them.
func end(ids ...qemu.Identity) error {
	for _, id := range ids {
		if err := id.Kill(); err != nil {
			return err
		}
	}
	for _, id := range ids {
		for began := time.Now(); id.Alive(); time.Sleep(5 * time.Millisecond) {
			if time.Since(began) > time.Minute {
				return fmt.Errorf("pid %d was killed and does not end", id.PID)
			}
		}
	}
	return nil
}

func killVM(x *target) (func(), error) {
	id, err := x.vm()
	if err != nil {
		return nil, err
	}
	return nil, end(id)
}

func endVM(x *target) (func(), error) {
	id, err := x.vm()
	if err != nil {
		return nil, err
	}
	return nil, signal(id, syscall.SIGTERM)
}

// freezeVM lets QEMU go on after a time in which a start may come, see it, and wait.
func freezeVM(x *target) (func(), error) {
	d := x.seconds(1, 30)
	id, err := x.vm()
	if err != nil {
		return nil, err
	}
	if err := signal(id, syscall.SIGSTOP); err != nil {
		return nil, err
	}
	thaw := time.AfterFunc(d, func() { _ = signal(id, syscall.SIGCONT) })
	return func() {
		thaw.Stop()
		_ = signal(id, syscall.SIGCONT)
	}, nil
}

func freezeVMForGood(x *target) (func(), error) {
	id, err := x.vm()
	if err != nil {
		return nil, err
	}
	return nil, signal(id, syscall.SIGSTOP)
}

func killSupervisor(x *target) (func(), error) {
	id, err := x.supervisor()
	if err != nil {
		return nil, err
	}
	return nil, end(id)
}

func endSupervisor(x *target) (func(), error) {
	id, err := x.supervisor()
	if err != nil {
		return nil, err
	}
	return nil, signal(id, syscall.SIGTERM)
}

// freezeSupervisor: a start that comes meanwhile waits, or says that the supervisor does not answer.
func freezeSupervisor(x *target) (func(), error) {
	d := x.seconds(1, 15)
	id, err := x.supervisor()
	if err != nil {
		return nil, err
	}
	if err := signal(id, syscall.SIGSTOP); err != nil {
		return nil, err
	}
	thaw := time.AfterFunc(d, func() { _ = signal(id, syscall.SIGCONT) })
	defer thaw.Stop()
	err = x.start()
	if err != nil && strings.Contains(err.Error(), "does not answer") {
		err = nil
	}
	return nil, errors.Join(err, signal(id, syscall.SIGCONT))
}

// freezeSupervisorForGood: the error of a start says what to do.
func freezeSupervisorForGood(x *target) (func(), error) {
	id, err := x.supervisor()
	if err != nil {
		return nil, err
	}
	if err := signal(id, syscall.SIGSTOP); err != nil {
		return nil, err
	}
	err = x.start()
	if err == nil || !strings.Contains(err.Error(), "stackemu stop --kill "+x.name) {
		return nil, errors.Join(fmt.Errorf("a start does not say what to do: %w", err), signal(id, syscall.SIGCONT))
	}
	_, err = x.run("stop", "--kill", x.name)
	return nil, err
}

func (x *target) both() ([]qemu.Identity, error) {
	vm, err := x.vm()
	if err != nil {
		return nil, err
	}
	supervisor, err := x.supervisor()
	return []qemu.Identity{supervisor, vm}, err
}

func killBoth(x *target) (func(), error) {
	ids, err := x.both()
	if err != nil {
		return nil, err
	}
	return nil, end(ids...)
}

// reboot leaves what a host that was rebooted has: files that tell of processes of an earlier boot.
func reboot(x *target) (func(), error) {
	ids, err := x.both()
	if err != nil {
		return nil, err
	}
	if err := end(ids...); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(x.files.PID)
	if err != nil {
		return nil, err
	}
	// The pid is somebody's after the reboot: ours.
	other := fmt.Sprintf("%d\n%s", os.Getpid(), strings.ReplaceAll(strings.SplitN(string(text), "\n", 2)[1], "boot ", "boot another-"))
	return nil, os.WriteFile(x.files.PID, []byte(other), 0o600)
}

func killVMIfAny(x *target) error {
	id, err := x.vm()
	if err != nil {
		return nil
	}
	return end(id)
}

func killSupervisorIfAny(x *target) error {
	id, err := x.supervisor()
	if err != nil {
		return nil
	}
	return end(id)
}

// hurtStart does something in the middle of a start, which may fail.
func hurtStart(hurt func(*target) error) func(*target) (func(), error) {
	return func(x *target) (func(), error) {
		d := x.seconds(0, 5)
		if _, err := x.run("stop", x.name); err != nil {
			return nil, err
		}
		done := make(chan error, 1)
		go func() { done <- x.start() }()
		x.pause(d)
		err := hurt(x)
		if started := <-done; started != nil {
			x.Logf("%s: the start that was hurt: %v", x.name, started)
		}
		return nil, err
	}
}

// hurtStop does something in the middle of a stop, which may fail.
func hurtStop(hurt func(*target) error) func(*target) (func(), error) {
	return func(x *target) (func(), error) {
		d := x.seconds(0, 3)
		done := make(chan error, 1)
		go func() {
			_, err := x.run("stop", x.name)
			done <- err
		}()
		x.pause(d)
		err := hurt(x)
		if stopped := <-done; stopped != nil {
			x.Logf("%s: the stop that was hurt: %v", x.name, stopped)
		}
		return nil, err
	}
}
