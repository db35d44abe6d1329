package container

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// rotateProgram is what an image for docker has in its PATH to take new secrets.
const rotateProgram = "rotate-secrets"

// rotateTimeout bounds it.
const rotateTimeout = 2 * time.Minute

// DropUnstarted removes a container that has been made and not been started: it has the environment of before. Whoever
// calls it holds the environment, so that none is made meanwhile; and the service that has made it makes another one.
func (l Layout) DropUnstarted(ctx context.Context) error {
	docker, err := l.OnDocker()
	if err != nil || !docker {
		return err // what crun runs reads the files of RunDir once more when it starts
	}
	status, _, err := l.dockerd().state(ctx)
	if err != nil || status != dockerCreated {
		return err
	}
	return l.dockerd().remove(ctx)
}

// RotateSecrets has the container that docker runs, if there is one, take new secrets: by a program of its own that has them
// in its environment. A container that ends meanwhile is of no concern, as the next one starts with them.
func (l Layout) RotateSecrets(ctx context.Context, secrets map[string]string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, rotateTimeout, fmt.Errorf("%s has not ended within %v", rotateProgram, rotateTimeout))
	defer cancel()
	pid, err := l.Running(ctx)
	if err != nil || pid == 0 {
		return err
	}
	cmd := exec.CommandContext(ctx, dockerProgram, rotateArgs(secrets)...)
	cmd.Env = os.Environ()
	for name, value := range secrets {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if now, stateErr := l.Running(ctx); stateErr == nil && now != pid {
		return nil
	}
	return fmt.Errorf("docker exec %s %s: %w: %s", Name, rotateProgram, err, hidden(said.String(), secrets))
}

// rotateArgs is docker's command line for it. A variable without a value gets that of docker's own environment.
func rotateArgs(secrets map[string]string) []string {
	args := []string{"exec"}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		args = append(args, "--env="+name)
	}
	return append(args, Name, rotateProgram)
}

// maxSaid is how much of what the program has said an error shows, in bytes: the end.
const maxSaid = 500

// hidden is what the program has said, without the secrets.
func hidden(said string, secrets map[string]string) string {
	for _, value := range secrets {
		said = strings.ReplaceAll(said, value, "…")
	}
	said = strings.TrimSpace(said)
	return strings.ToValidUTF8(said[max(0, len(said)-maxSaid):], "")
}
