// Package stackenv works out the environment of the stack's container.
//
// [Render] is pure: it takes what the host wrote on the config disk, what the image was built with, and the secrets,
// and returns the variables. [Prepare] does it at the boot of a real guest and writes the files that the container reads;
// [Guest] is how the host changes them later, when an instance has left a snapshot with other ports and secrets.
package stackenv

import (
	"fmt"
	"strconv"

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

// mirrors are other names under which parts of the stack look for a secret.
var mirrors = map[string]string{
	"NEXT_PUBLIC_STACK_PUBLISHABLE_CLIENT_KEY": secret.PublishableClientKey,
	"STACK_SECRET_SERVER_KEY":                  secret.SecretServerKey,
	"STACK_SUPER_SECRET_ADMIN_KEY":             secret.SuperSecretAdminKey,
}

// Mirror sets in env the other names of the secrets that it has.
func Mirror(env envfile.Vars) {
	for mirror, source := range mirrors {
		if value, set := env[source]; set {
			env[mirror] = value
		}
	}
}

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
	storage, err := hostPort(env, MinioPort, "9090")
	if err != nil {
		return nil, err
	}
	mail, err := hostPort(env, InbucketPort, "9001")
	if err != nil {
		return nil, err
	}
	for _, name := range secret.Names() {
		if err := secret.Check(name, in.Secrets[name]); err != nil {
			return nil, err
		}
	}
	env.Merge(in.Secrets)
	env.Merge(urls(prefix, dashboard, backend))
	env.Merge(envfile.Vars{
		"STACK_S3_PUBLIC_ENDPOINT":           "http://localhost:" + storage,
		"NEXT_PUBLIC_STACK_INBUCKET_WEB_URL": "http://localhost:" + mail,
	})
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
