package command

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/stackemu/stackemu/internal/session"
)

// runSession runs one program for a user of the host, as the invitation on the standard input says.
func runSession(args []string, std Streams) int {
	if code := noArguments(args, std); code != 0 {
		return code
	}
	invitation, err := session.ReadInvitation(std.In)
	if err != nil {
		return report(std, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	return report(std, session.Serve(ctx, session.Gateway, invitation))
}
