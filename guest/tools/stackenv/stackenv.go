// Package stackenv works out the environment of the stack's container.
//
// [Render] is pure: it takes what the host wrote on the config disk, what the image was built with, and the secrets,
// and returns the variables. [Prepare] does it on a real guest and writes the file that the container reads.
package stackenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/stackemu/stackemu/guest/tools/configdisk"
	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/secret"
)

// Variables of the config disk and of the build (design.md, "The guest contract").
const (
	PortPrefix    = "STACK_EMULATOR_PORT_PREFIX"
	DashboardPort = "STACK_EMULATOR_DASHBOARD_HOST_PORT"
	BackendPort   = "STACK_EMULATOR_BACKEND_HOST_PORT"
	MinioPort     = "STACK_EMULATOR_MINIO_HOST_PORT"
	InbucketPort  = "STACK_EMULATOR_INBUCKET_HOST_PORT"
	BuildSnapshot = "STACK_EMULATOR_BUILD_SNAPSHOT"
)

// defaultPrefix begins every port in the guest: 8101, 8102, 8114.
const defaultPrefix = "81"

// Inputs is all that decides the environment.
type Inputs struct {
	Base    envfile.Vars // base.env: settings of the product
	Runtime envfile.Vars // runtime.env: what this instance is on the host
	Secrets map[string]string
}

// Render returns the environment of the container. What is computed wins over runtime.env, which wins over base.env, so
// that no settings file can bring in secrets or ports of its own.
func Render(in Inputs) (envfile.Vars, error) {
	env := envfile.Vars{}
	env.Merge(in.Base)
	env.Merge(in.Runtime)

	prefix, err := prefixOf(env)
	if err != nil {
		return nil, err
	}
	dashboard, err := hostPort(env, DashboardPort, prefix+"01")
	if err != nil {
		return nil, err
	}
	backend, err := hostPort(env, BackendPort, prefix+"02")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{MinioPort, InbucketPort} {
		if _, err := hostPort(env, name, "1"); err != nil {
			return nil, err
		}
	}
	for _, name := range secret.Names() {
		if err := secret.Check(name, in.Secrets[name]); err != nil {
			return nil, err
		}
	}
	env.Merge(in.Secrets)
	env.Merge(urls(prefix, dashboard, backend))
	return env, nil
}

// urls returns the variables that say where services are: for a browser, which is on the host and comes in through the
// forwarded ports, and for a server, which is in the guest.
func urls(prefix, dashboard, backend string) envfile.Vars {
	return envfile.Vars{
		"NEXT_PUBLIC_STACK_IS_LOCAL_EMULATOR":     "true",
		"NEXT_PUBLIC_STACK_PORT_PREFIX":           prefix,
		"NEXT_PUBLIC_STACK_API_URL":               "http://localhost:" + backend,
		"NEXT_PUBLIC_BROWSER_STACK_API_URL":       "http://localhost:" + backend,
		"NEXT_PUBLIC_SERVER_STACK_API_URL":        "http://127.0.0.1:" + prefix + "02",
		"NEXT_PUBLIC_STACK_DASHBOARD_URL":         "http://localhost:" + dashboard,
		"NEXT_PUBLIC_BROWSER_STACK_DASHBOARD_URL": "http://localhost:" + dashboard,
		"NEXT_PUBLIC_SERVER_STACK_DASHBOARD_URL":  "http://127.0.0.1:" + prefix + "01",
	}
}

// prefixOf returns the first digits of the guest's ports. With two more digits they must be a port number.
func prefixOf(env envfile.Vars) (string, error) {
	prefix := env[PortPrefix]
	if prefix == "" {
		return defaultPrefix, nil
	}
	n, err := strconv.Atoi(prefix)
	if err != nil || n < 10 || n > 654 || strconv.Itoa(n) != prefix {
		return "", fmt.Errorf("%s=%q: want a number from 10 to 654", PortPrefix, prefix)
	}
	return prefix, nil
}

func hostPort(env envfile.Vars, name, fallback string) (string, error) {
	port := env[name]
	if port == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
		return "", fmt.Errorf("%s=%q: want a port from 1 to 65535", name, port)
	}
	return port, nil
}

// Paths are the places of a guest that [Prepare] reads and writes.
type Paths struct {
	SysBlock, Dev string // where disks are looked for
	BuildEnv      string // build.env, kept by the provisioning
	KeyDir        string // kept secrets
	Output        string // the container's environment
}

// GuestPaths are the paths of a real guest.
var GuestPaths = Paths{
	SysBlock: "/sys/block",
	Dev:      "/dev",
	BuildEnv: "/etc/stack-build.env",
	KeyDir:   "/var/lib/stack-auth",
	Output:   "/run/stack-auth/local-emulator.env",
}

// Prepare renders the environment of this guest and writes it to p.Output, 0600 and by rename. A guest without a config
// disk gets the defaults: an image must also start by itself.
func Prepare(p Paths) error {
	files, err := configdisk.Read(p.SysBlock, p.Dev, configdisk.Label)
	if err != nil && !errors.Is(err, configdisk.ErrNotFound) {
		return err
	}
	in := Inputs{}
	if in.Base, err = envfile.Parse(files["base.env"]); err != nil {
		return fmt.Errorf("base.env: %w", err)
	}
	if in.Runtime, err = envfile.Parse(files["runtime.env"]); err != nil {
		return fmt.Errorf("runtime.env: %w", err)
	}
	if in.Secrets, err = secretsFor(p); err != nil {
		return err
	}
	env, err := Render(in)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p.Output), 0o755); err != nil {
		return err
	}
	return env.Write(p.Output)
}

// secretsFor returns the placeholders where the build asked for them, so that a capture holds nothing real, and the
// guest's own secrets elsewhere.
func secretsFor(p Paths) (map[string]string, error) {
	build, err := envfile.ReadIfExists(p.BuildEnv)
	if err != nil {
		return nil, err
	}
	if build[BuildSnapshot] == "1" {
		return secret.Placeholders(), nil
	}
	if err := os.MkdirAll(p.KeyDir, 0o755); err != nil {
		return nil, err
	}
	return secret.Kept(p.KeyDir)
}
