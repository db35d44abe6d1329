package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Running returns the process id, in the guest, of the container's first process, or 0 when there is no container.
func (l Layout) Running(ctx context.Context) (pid int, err error) {
	docker, err := l.OnDocker()
	if err != nil {
		return 0, err
	}
	if docker {
		_, pid, err := l.dockerd().state(ctx)
		return pid, err
	}
	data, err := os.ReadFile(filepath.Join(l.State, Name, "status"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("container: %w", err)
	}
	var status struct {
		Pid int `json:"pid"`
	}
	if err := json.Unmarshal(data, &status); err != nil || status.Pid <= 0 {
		return 0, nil // crun is writing it: nothing has been started yet
	}
	return status.Pid, nil
}

// Root is the root directory of the container whose first process is pid, as a process of the guest sees it, with all that
// is mounted in it.
func (l Layout) Root(pid int) string { return filepath.Join(l.Proc, strconv.Itoa(pid), "root") }

// Files is the root directory of the container for those who read its files: under crun also while it does not run. There may be
// none.
func (l Layout) Files(ctx context.Context) (string, error) {
	docker, err := l.OnDocker()
	if err != nil || !docker {
		return filepath.Join(l.Bundle, "rootfs"), err
	}
	pid, err := l.Running(ctx)
	return l.Root(pid), err
}
