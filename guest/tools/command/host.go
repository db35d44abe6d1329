package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/postresume"
	"github.com/stackemu/stackemu/guest/tools/toolport"
	"github.com/stackemu/stackemu/internal/guestapi"
)

// maxInput is how many bytes the host may say.
const maxInput = guestapi.MaxLine

// postResume answers one request of package guestapi.
func postResume(args []string, std Streams) int {
	if code := noArguments(args, std); code != 0 {
		return code
	}
	input, err := readAll(std.In)
	if err != nil {
		return report(std, err)
	}
	var request guestapi.Request
	if err := json.Unmarshal(input, &request); err != nil {
		return report(std, fmt.Errorf("post-resume: the request: %w", err))
	}
	result := postresume.Run(context.Background(), postresume.Real, request)
	answer, err := json.Marshal(result)
	if err != nil {
		return report(std, err)
	}
	if _, err := fmt.Fprintf(std.Out, "%s\n", answer); err != nil {
		return report(std, err)
	}
	return report(std, result.Err())
}

// answerHost answers the requests of package guestapi at the tools' port, for as long as the guest runs.
func answerHost(args []string, std Streams) int {
	if code := noArguments(args, std); code != 0 {
		return code
	}
	port, err := toolport.Open("/sys/class/virtio-ports", "/dev")
	if errors.Is(err, toolport.ErrNoPort) {
		return 0 // the machine is of another layout
	}
	if err != nil {
		return report(std, err)
	}
	return report(std, toolport.Serve(port, func(r guestapi.Request) guestapi.Result {
		return postresume.Run(context.Background(), postresume.Real, r)
	}))
}

// rotateSecrets is the rotation alone: KEY=value lines on the standard input, as the guest contract has it.
func rotateSecrets(args []string, std Streams) int {
	if code := noArguments(args, std); code != 0 {
		return code
	}
	input, err := readAll(std.In)
	if err != nil {
		return report(std, err)
	}
	secrets, err := envfile.Parse(input)
	if err != nil {
		return report(std, envfile.ErrSyntax) // without the details, which may quote a secret
	}
	return report(std, postresume.Rotate(context.Background(), postresume.Real, secrets))
}

// readAll reads what the host has to say.
func readAll(in io.Reader) ([]byte, error) {
	input, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err == nil && len(input) > maxInput {
		err = fmt.Errorf("more than %d bytes on the standard input", maxInput)
	}
	return input, err
}
