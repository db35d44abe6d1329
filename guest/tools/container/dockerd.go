package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// dockerd asks docker's daemon about the container, over its socket: a process of its command line for each question would cost
// a second under an emulated CPU.
type dockerd struct{ http *http.Client }

// apiVersion is the version of the daemon's interface. Docker 25 to 29 have it.
const apiVersion = "v1.44"

// The states of a container (State.Status) that matter here.
const (
	dockerCreated = "created" // and never started
	dockerRunning = "running"
)

// askTimeout bounds a question. A daemon that is just starting answers when it is ready, which takes half a minute on a loaded host.
const askTimeout = 2 * time.Minute

// maxDetails is how many bytes of what docker knows of a container are read.
const maxDetails = 1 << 20

func (l Layout) dockerd() dockerd {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", l.Docker)
	}
	return dockerd{&http.Client{Timeout: askTimeout, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// state is the container's, "" when there is none, and the process id of its first process, 0 unless it runs. A daemon that
// does not run has no container.
func (d dockerd) state(ctx context.Context) (status string, pid int, err error) {
	answer, found, err := d.do(ctx, http.MethodGet, "/containers/"+Name+"/json")
	if err != nil || !found {
		return "", 0, err
	}
	var details struct {
		State struct {
			Status string
			Pid    int
		}
	}
	if err := json.Unmarshal(answer, &details); err != nil {
		return "", 0, fmt.Errorf("docker: %w", err)
	}
	if details.State.Status != dockerRunning {
		return details.State.Status, 0, nil
	}
	return dockerRunning, details.State.Pid, nil
}

// remove removes the container, if there is one, and ends it before if it runs.
func (d dockerd) remove(ctx context.Context) error {
	_, _, err := d.do(ctx, http.MethodDelete, "/containers/"+Name+"?force=true")
	return err
}

// do asks the daemon. It finds nothing where there is no daemon, or no container.
func (d dockerd) do(ctx context.Context, method, path string) (answer []byte, found bool, err error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://docker/"+apiVersion+path, nil)
	if err != nil {
		return nil, false, err
	}
	response, err := d.http.Do(request)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("docker: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxDetails))
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("docker: %w", err)
	case response.StatusCode == http.StatusNotFound:
		return nil, false, nil
	case response.StatusCode >= 300:
		return nil, false, fmt.Errorf("docker: %s %s: %s: %.200q", method, path, response.Status, answer)
	}
	return answer, true, nil
}
