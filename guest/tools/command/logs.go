package command

import (
	"context"
	"errors"
	"flag"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/stackemu/stackemu/guest/tools/container"
	"github.com/stackemu/stackemu/guest/tools/stacklogs"
	"github.com/stackemu/stackemu/internal/tail"
)

// showLogs shows the logs of the stack's services. Of another container than the reference stack's it is what the container itself
// has written.
func showLogs(args []string, std Streams) int {
	flags := flag.NewFlagSet("logs", flag.ContinueOnError)
	flags.SetOutput(std.Err)
	o := tail.Options{}
	flags.BoolVar(&o.Follow, "f", false, "go on with what is written from now on")
	flags.IntVar(&o.Lines, "n", -1, "begin so many lines before the end of each log")
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	files, err := container.GuestLayout.Files(ctx)
	if err != nil {
		return report(std, err)
	}
	err = stacklogs.Show(ctx, std.Out, filepath.Join(files, stacklogs.Dir), o)
	if errors.Is(err, stacklogs.ErrNone) {
		err = showJournal(ctx, std, o)
	}
	return report(std, err)
}

// showJournal shows what systemd has kept of the container's output.
func showJournal(ctx context.Context, std Streams, o tail.Options) error {
	args := []string{"--unit=stack.service", "--output=cat", "--no-pager", "--lines=all"}
	if o.Lines >= 0 {
		args[len(args)-1] = "--lines=" + strconv.Itoa(o.Lines)
	}
	if o.Follow {
		args = append(args, "--follow")
	}
	cmd := exec.CommandContext(ctx, "journalctl", args...)
	cmd.Stdout, cmd.Stderr = std.Out, std.Err
	return cmd.Run()
}
