package guest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// Release is the Debian release that images are made of.
const Release = "trixie"

// MirrorVariable overrides the Debian mirror, for machines whose own package sources are not Debian's.
const MirrorVariable = "EMULATOR_DEBIAN_MIRROR"

// errNoMirror is what remains when apt names no source of Debian.
var errNoMirror = errors.New("this machine's apt knows no Debian mirror (has apt-get update run?); give one with --mirror or " + MirrorVariable)

// targetsFormat asks `apt-get indextargets` for what a mirror is known by.
const targetsFormat = "$(CREATED_BY)\t$(ORIGIN)\t$(LABEL)\t$(SUITE)\t$(CODENAME)\t$(COMPONENT)\t$(REPO_URI)"

// packageSources returns the apt source lines for Release. Hosts are never named here: they come from the caller or
// from the machine's own configuration.
func packageSources(ctx context.Context, mirror string) ([]string, error) {
	if mirror != "" {
		return []string{sourceLine(mirror, Release), sourceLine(mirror, Release+"-updates")}, nil
	}
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", targetsFormat).Output()
	if err != nil {
		return nil, fmt.Errorf("apt-get indextargets: %w", err)
	}
	return sourcesFromTargets(string(out))
}

// sourcesFromTargets picks Debian's main archive, and its security archive where the machine has one, out of the index
// targets: the URIs stay, the release becomes ours.
func sourcesFromTargets(targets string) ([]string, error) {
	archive, security := "", ""
	for line := range strings.Lines(targets) {
		f := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(f) != 7 || f[0] != "Packages" || f[1] != "Debian" || f[5] != "main" || !fetchable.MatchString(f[6]) {
			continue
		}
		switch {
		case f[2] == "Debian" && archive == "":
			archive = f[6]
		case f[2] == "Debian-Security" && security == "":
			security = f[6]
		}
	}
	if archive == "" {
		return nil, errNoMirror
	}
	sources := []string{sourceLine(archive, Release), sourceLine(archive, Release+"-updates")}
	if security != "" {
		sources = append(sources, sourceLine(security, Release+"-security"))
	}
	return sources, nil
}

// fetchable leaves out what mmdebstrap cannot read from: CD-ROMs, apt's mirror lists, transports of its own.
var fetchable = regexp.MustCompile(`^(https?|file|copy)://?[^\s\]\[]+$`)

func sourceLine(uri, suite string) string {
	return fmt.Sprintf("deb %s %s main", strings.TrimRight(uri, "/"), suite)
}

// aptOptions carries the machine's proxy settings over: mmdebstrap's apt does not read the host's configuration.
func aptOptions(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, "apt-config", "dump").Output()
	if err != nil {
		return nil, fmt.Errorf("apt-config dump: %w", err)
	}
	return proxiesFromConfig(string(out)), nil
}

// proxySetting matches the lines of `apt-config dump` that say how to reach a mirror.
var proxySetting = regexp.MustCompile(`(?m)^Acquire::https?::(Proxy|CaInfo|Verify-Peer)\S* ".+";$`)

func proxiesFromConfig(dump string) []string { return proxySetting.FindAllString(dump, -1) }
