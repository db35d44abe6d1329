package entrypoint

import (
	"fmt"
	"strings"

	"github.com/stackemu/stackemu/guest/tools/envfile"
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
		if env[name] == "" {
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
