package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Running returns the process id, in the guest, of the container's first process, or 0 when there is no container.
func (l Layout) Running() (pid int, err error) {
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
