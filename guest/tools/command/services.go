package command

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/stackemu/stackemu/guest/tools/container"
	"github.com/stackemu/stackemu/guest/tools/entrypoint"
	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/mailbox"
	"github.com/stackemu/stackemu/guest/tools/mockoauth"
	"github.com/stackemu/stackemu/guest/tools/ociimage"
	"github.com/stackemu/stackemu/guest/tools/storage"
)

// serviceUser is the system user of the container's own services. Each has a directory that no other program of that user
// writes to.
const serviceUser = "www-data"

func runStorage(args []string, std Streams) int {
	return serve(args, std, func(ctx context.Context, env envfile.Vars) error {
		return storage.Run(ctx, storage.Config{Address: "0.0.0.0:9090", File: "/var/lib/stack-storage/objects.db", User: serviceUser,
			Buckets: []string{env["STACK_S3_BUCKET"]}, Keys: storage.Keys{ID: env["STACK_S3_ACCESS_KEY_ID"], Secret: env["STACK_S3_SECRET_ACCESS_KEY"]}})
	})
}

func runMail(args []string, std Streams) int {
	return serve(args, std, func(ctx context.Context, _ envfile.Vars) error {
		return mailbox.Run(ctx, mailbox.Config{SMTP: "0.0.0.0:2500", Web: "0.0.0.0:9001", File: "/var/lib/stack-mail/mail.db", User: serviceUser, Log: std.Err})
	})
}

func runMockOAuth(args []string, std Streams) int {
	return serve(args, std, func(ctx context.Context, env envfile.Vars) error {
		return mockoauth.Run(ctx, mockoauth.Config{Address: "0.0.0.0:" + env["NEXT_PUBLIC_STACK_PORT_PREFIX"] + "14", Issuer: env["STACK_OAUTH_MOCK_URL"],
			KeyFile: "/var/lib/stack-oauth/key.pem", User: serviceUser})
	})
}

// serve runs a service with the stack's environment until it is told to end.
func serve(args []string, std Streams, run func(context.Context, envfile.Vars) error) int {
	if code := noArguments(args, std); code != 0 {
		return code
	}
	env, err := entrypoint.LoadEnv(os.Environ(), entrypoint.Default.RunDir)
	if err != nil {
		return report(std, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return report(std, run(ctx, env))
}

// readyVariable is where a container's image says, in its environment, what has to answer 200 before the stack is ready:
// URLs with spaces between them. prefixMark in them stands for the first digits of the guest's ports.
const (
	readyVariable = "STACK_READY_URLS"
	prefixMark    = "<prefix>"
)

// defaultReadyURLs are those of the product's backend and dashboard.
const defaultReadyURLs = "http://127.0.0.1:<prefix>02/health?db=1 http://127.0.0.1:<prefix>01/handler/sign-in"

// readyURLs are what the image of the guest's container wants to be asked.
func readyURLs(l container.Layout) ([]string, error) {
	image, err := ociimage.Read(l.Image)
	if err != nil {
		return nil, err
	}
	env, err := entrypoint.LoadEnv(nil, l.RunDir)
	if err != nil {
		return nil, err
	}
	urls := envfile.FromEnviron(image.Config.Env)[readyVariable]
	if urls == "" {
		urls = defaultReadyURLs
	}
	return strings.Fields(strings.ReplaceAll(urls, prefixMark, env["NEXT_PUBLIC_STACK_PORT_PREFIX"])), nil
}
