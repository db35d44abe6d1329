package github

import (
	"context"
	"net/url"
	"os/exec"
	"strings"
	"time"
)

// Where a token may come from, in this order; the last one is asked with `gh auth token`.
var tokenVariables = []string{"GITHUB_TOKEN", "GH_TOKEN"}

// ghTimeout is for gh, which may ask a keyring that nobody opens.
const ghTimeout = 5 * time.Second

// FindToken finds a token for an API. None is no error: releases of public repositories are for everybody. lookup is os.LookupEnv
// or a test's map.
func FindToken(ctx context.Context, lookup func(string) (string, bool), api string) (token, from string) {
	for _, variable := range tokenVariables {
		if value, _ := lookup(variable); strings.TrimSpace(value) != "" {
			return strings.TrimSpace(value), variable
		}
	}
	ctx, cancel := context.WithTimeout(ctx, ghTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "gh", "auth", "token", "--hostname", ghHost(api))
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if token = strings.TrimSpace(string(out)); err != nil || strings.ContainsAny(token, " \n") {
		return "", ""
	}
	return token, "gh"
}

// ghHost is the host of an API as gh knows it.
func ghHost(api string) string {
	u, err := url.Parse(api)
	if err != nil || u.Host == "" || u.Host == "api.github.com" {
		return "github.com"
	}
	return u.Hostname()
}
