package entrypoint

import (
	"fmt"
	"strings"

	"github.com/stackemu/stackemu/guest/tools/database"
	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/secret"
	"github.com/stackemu/stackemu/guest/tools/stackenv"
)

// LoadEnv returns the environment of the stack: that of the process, with the files of runDir over it. The files win
// because they may be newer: a process keeps the environment that it was started with, a file is written again when the
// instance resumes with other ports or secrets.
func LoadEnv(environ []string, runDir string) (envfile.Vars, error) {
	env := envfile.FromEnviron(environ)
	for _, name := range []string{stackenv.EnvFile, stackenv.RotatedFile} {
		vars, err := envfile.ReadIfExists(runDir + "/" + name)
		if err != nil {
			return nil, fmt.Errorf("entrypoint: %w", err)
		}
		env.Merge(vars)
	}
	derive(env)
	return env, nil
}

// derive fills what follows from other variables.
func derive(env envfile.Vars) {
	stackenv.Mirror(env)
	fill := func(name, value string) {
		if env[name] == "" && value != "" {
			env[name] = value
		}
	}
	fill("NEXT_PUBLIC_STACK_PORT_PREFIX", "81")
	prefix := env["NEXT_PUBLIC_STACK_PORT_PREFIX"]
	fill("NEXT_PUBLIC_STACK_PROJECT_ID", "internal")
	fill("DASHBOARD_PORT", prefix+"01")
	fill("BACKEND_PORT", prefix+"02")
	fill("NEXT_PUBLIC_STACK_API_URL", "http://localhost:"+env["BACKEND_PORT"])
	fill("NEXT_PUBLIC_STACK_DASHBOARD_URL", "http://localhost:"+env["DASHBOARD_PORT"])
	// A browser is on the host, and comes in through a forwarded port; a server is in the guest.
	fill("NEXT_PUBLIC_BROWSER_STACK_API_URL", env["NEXT_PUBLIC_STACK_API_URL"])
	fill("NEXT_PUBLIC_SERVER_STACK_API_URL", "http://127.0.0.1:"+env["BACKEND_PORT"])
	fill("NEXT_PUBLIC_BROWSER_STACK_DASHBOARD_URL", env["NEXT_PUBLIC_STACK_DASHBOARD_URL"])
	fill("NEXT_PUBLIC_SERVER_STACK_DASHBOARD_URL", "http://127.0.0.1:"+env["DASHBOARD_PORT"])
	fill("NEXT_PUBLIC_STACK_SVIX_SERVER_URL", env["STACK_SVIX_SERVER_URL"])
	// The other services of the container, by the product's names.
	fill("STACK_S3_ENDPOINT", "http://127.0.0.1:9090")
	fill("STACK_S3_PUBLIC_ENDPOINT", "http://localhost:9090")
	fill("STACK_S3_REGION", "us-east-1")
	fill("STACK_S3_BUCKET", "stack-storage")
	fill("STACK_S3_ACCESS_KEY_ID", "s3mockroot") // no secret: every emulator has these two
	fill("STACK_S3_SECRET_ACCESS_KEY", "s3mockroot")
	fill("STACK_EMAIL_HOST", "127.0.0.1")
	fill("STACK_EMAIL_PORT", "2500")
	fill("STACK_EMAIL_SENDER", "noreply@example.com")
	fill("STACK_OAUTH_MOCK_URL", "http://localhost:"+prefix+"14")
	fill("NEXT_PUBLIC_STACK_INBUCKET_WEB_URL", "http://localhost:9001")
}

// internalKeys returns the keys of the internal project that an emulator's host has given, which must be all of them and in
// order. Any other stack has none that others know: it gets random ones for those that it lacks.
func internalKeys(env envfile.Vars) (*database.KeySet, error) {
	if !isEmulator(env) {
		mint(env)
		return nil, nil
	}
	keys, err := database.KeySetFrom(env)
	if err != nil {
		return nil, fmt.Errorf("entrypoint: %w", err)
	}
	return &keys, nil
}

func mint(env envfile.Vars) {
	for _, name := range []string{secret.PublishableClientKey, secret.SecretServerKey, secret.SuperSecretAdminKey} {
		if env[name] == "" {
			env[name] = secret.Mint()
		}
	}
	stackenv.Mirror(env)
}

// isEmulator says whether the stack runs as a local emulator, with fixed keys for the internal project.
func isEmulator(env envfile.Vars) bool { return env["NEXT_PUBLIC_STACK_IS_LOCAL_EMULATOR"] == "true" }

// wanted says whether a step is to be run: STACK_SKIP_<STEP>=true or STACK_RUN_<STEP>=false says no.
func wanted(env envfile.Vars, step string) bool {
	return env["STACK_SKIP_"+step] != "true" && env["STACK_RUN_"+step] != "false"
}

// publicEnv is what the dashboard gets: it serves files to browsers and has no use for a secret.
func publicEnv(env envfile.Vars) envfile.Vars {
	public := envfile.Vars{}
	for key, value := range env {
		switch {
		case strings.HasPrefix(key, "NEXT_PUBLIC_"), strings.HasPrefix(key, "NODE_"), strings.HasPrefix(key, "LC_"),
			key == "PATH", key == "LANG", key == "TZ", key == "DASHBOARD_PORT":
			public[key] = value
		}
	}
	return public
}
