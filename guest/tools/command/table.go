package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/stackemu/stackemu/guest/tools/container"
	"github.com/stackemu/stackemu/guest/tools/cronjobs"
	"github.com/stackemu/stackemu/guest/tools/entrypoint"
	"github.com/stackemu/stackemu/guest/tools/hostfs"
	"github.com/stackemu/stackemu/guest/tools/pgserver"
	"github.com/stackemu/stackemu/guest/tools/ready"
	"github.com/stackemu/stackemu/guest/tools/secret"
	"github.com/stackemu/stackemu/guest/tools/stackenv"
)

// All are the commands of stackguest: first those of the guest contract, then those of the container.
var All = map[string]Command{
	"render-stack-env":     renderStackEnv,
	"run-stack-container":  runStackContainer,
	"wait-for-stack-ready": waitForStackReady,
	"mount-host-fs":        mountHostFS,
	"trigger-fast-rotate":  rotateSecrets,
	"rotate-secrets":       rotateSecrets,
	"post-resume":          postResume,
	"answer-host":          answerHost,
	"session":              runSession,
	"logs":                 showLogs,

	"postgres":   postgres,
	"entrypoint": runEntrypoint,
	"cron-jobs":  runCronJobs,
	"storage":    runStorage,
	"mail":       runMail,
	"mock-oauth": runMockOAuth,
}

// plugTimeout is how long mount-host-fs --post-resume waits for the device that the host has just plugged in.
const plugTimeout = 10 * time.Second

// readyTimeout is how long wait-for-stack-ready waits unless told otherwise: a first start under a slow emulator makes
// the database.
const readyTimeout = 5 * time.Minute

func renderStackEnv(args []string, std Streams) int {
	if code := noArguments(args, std); code != 0 {
		return code
	}
	return report(std, stackenv.Prepare(stackenv.GuestPaths))
}

func runStackContainer(args []string, std Streams) int {
	if code := noArguments(args, std); code != 0 {
		return code
	}
	return report(std, container.Run(container.GuestLayout, func() (io.Closer, error) { return stackenv.Open(stackenv.GuestPaths) }))
}

func postgres(args []string, std Streams) int {
	if code := noArguments(args, std); code != 0 {
		return code
	}
	return report(std, pgserver.Run(pgserver.Default))
}

func mountHostFS(args []string, std Streams) int {
	flags := flag.NewFlagSet("mount-host-fs", flag.ContinueOnError)
	flags.SetOutput(std.Err)
	plugged := flags.Bool("post-resume", false, "the device was just plugged in: wait for it, and fail without it")
	if flags.Parse(args) != nil || flags.NArg() > 0 {
		return 2
	}
	if !*plugged {
		err := hostfs.Default.Try(hostfs.Dir)
		if errors.Is(err, hostfs.ErrNoDevice) {
			return 0 // an instance without mounts
		}
		return report(std, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), plugTimeout)
	defer cancel()
	return report(std, hostfs.Default.WhenPlugged(ctx, hostfs.Dir))
}

func waitForStackReady(args []string, std Streams) int {
	flags := flag.NewFlagSet("wait-for-stack-ready", flag.ContinueOnError)
	flags.SetOutput(std.Err)
	timeout := flags.Duration("timeout", readyTimeout, "give up after this time")
	console := flags.String("console", "/dev/console", "where to print "+ready.Marker)
	if flags.Parse(args) != nil {
		return 2
	}
	urls := flags.Args()
	if len(urls) == 0 {
		var err error
		if urls, err = readyURLs(container.GuestLayout); err != nil {
			return report(std, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	if err := ready.Wait(ctx, urls); err != nil {
		return report(std, err)
	}
	return report(std, announce(*console))
}

// announce prints the marker alone on a line. The line break before it ends what another program may have begun.
func announce(console string) error {
	file, err := os.OpenFile(console, os.O_WRONLY|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, "\n"+ready.Marker+"\n")
	return errors.Join(err, file.Close())
}

func runEntrypoint(args []string, std Streams) int {
	if code := noArguments(args, std); code != 0 {
		return code
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	code, err := entrypoint.Run(context.Background(), entrypoint.Default, os.Environ(), signals)
	report(std, err)
	return code
}

func runCronJobs(args []string, std Streams) int {
	if code := noArguments(args, std); code != 0 {
		return code
	}
	env, err := entrypoint.LoadEnv(os.Environ(), entrypoint.Default.RunDir)
	if err != nil {
		return report(std, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	caller := cronjobs.Caller{BaseURL: "http://127.0.0.1:" + env["BACKEND_PORT"], Secret: env[secret.CronSecret], Log: std.Err}
	caller.Run(ctx, cronjobs.Jobs)
	return 0
}

func noArguments(args []string, std Streams) int {
	if len(args) == 0 {
		return 0
	}
	fmt.Fprintf(std.Err, "%s: unexpected argument %q\n", binary, args[0])
	return 2
}

// report prints err, if there is one, and returns the exit code for it.
func report(std Streams, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(std.Err, "%s: %v\n", binary, err)
	return 1
}
