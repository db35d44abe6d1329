package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/ports"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/status"
)

// inspect finds out how an instance is: from its supervisor, or from what is on disk when it has none.
func inspect(ctx context.Context, conf config.Config, name string) (status.Status, error) {
	files, err := conf.Folders().Instance(name)
	if err != nil {
		return status.Status{}, &usage{err}
	}
	s, err := control.NewClient(files.ControlSock).Status(ctx)
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, control.ErrNoSupervisor):
		return unsupervised(conf, files), nil
	case errors.Is(err, control.ErrUnresponsive):
		s = status.New(name)
		s.State, s.Cause, s.VM = status.Unresponsive, err.Error(), runningVM(files)
		return s, nil
	}
	return s, fmt.Errorf("%s: %w", name, err)
}

// unsupervised is how an instance without a supervisor is. One that was killed leaves its socket behind: then the last
// status on disk is about an earlier run.
func unsupervised(conf config.Config, files home.Instance) status.Status {
	s := status.New(files.Name)
	s.State = status.Stopped
	if image := conf.Folders().Image(conf.Arch).Disk; exists(image) {
		s.Image = image
	}
	if vm := runningVM(files); vm != nil {
		s.State, s.VM = status.Orphaned, vm
		return s
	}
	if _, err := os.Lstat(files.ControlSock); err == nil {
		return s
	}
	if last, ok := lastStatus(files); ok {
		s.State, s.Since, s.Cause = last.State, last.Since, last.Cause
	}
	return s
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// lastStatus is how the last run has ended.
func lastStatus(files home.Instance) (last status.Status, ok bool) {
	text, err := os.ReadFile(files.LastStatus)
	if err != nil || json.Unmarshal(text, &last) != nil || !status.Final(last.State) {
		return last, false
	}
	return last, true
}

// portsOf are the host ports of an instance, as a text: of its services, or of its block.
func portsOf(conf config.Config, s status.Status) string {
	if len(s.Services) > 0 {
		low, high := s.Services[0].Port, s.Services[0].Port
		for _, x := range s.Services {
			low, high = min(low, x.Port), max(high, x.Port)
		}
		return fmt.Sprintf("%d-%d", low, high)
	}
	base := ports.Known(conf.Folders())[s.Instance]
	if s.Instance == home.DefaultInstance {
		base = profile.DefaultHostBase
	}
	if base == 0 {
		return ""
	}
	return fmt.Sprintf("%d-%d", base, base+ports.Block-1)
}
