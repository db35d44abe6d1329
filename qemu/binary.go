package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/span"
)

// Version is a version of QEMU.
type Version struct{ Major, Minor, Micro int }

// MinVersion is the oldest QEMU that is of use: 9.0 brought mapped-ram snapshots.
var MinVersion = Version{9, 0, 0}

// String gives the version as QEMU prints it.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro) }

// Less reports whether v is older than o.
func (v Version) Less(o Version) bool {
	if v.Major != o.Major {
		return v.Major < o.Major
	}
	if v.Minor != o.Minor {
		return v.Minor < o.Minor
	}
	return v.Micro < o.Micro
}

// Binary is an installed QEMU for one architecture.
type Binary struct {
	Arch    Arch
	Path    string // the system emulator
	Img     string // qemu-img
	Version Version
	Build   string // the whole first line of --version, with the distribution's package
}

// versionTimeout bounds `qemu-system-... --version`, which takes 20 ms, or seconds from a cold disk.
const versionTimeout = 20 * time.Second

// Find looks for the QEMU of an architecture and for qemu-img: where the environment says, else in PATH. An error says
// what to install.
func Find(ctx context.Context, arch Arch) (*Binary, error) {
	t, err := arch.traits()
	if err != nil {
		return nil, fmt.Errorf("qemu: %w", err)
	}
	b := &Binary{Arch: arch}
	if b.Path, err = lookUp(t.env, t.program); err != nil {
		return nil, fmt.Errorf("qemu: %w; %s", err, cure(t.pkg))
	}
	if b.Img, err = lookUp("QEMU_IMG", "qemu-img"); err != nil {
		return nil, fmt.Errorf("qemu: %w; %s", err, cure("qemu-utils"))
	}
	if b.Build, b.Version, err = askVersion(ctx, b.Path); err != nil {
		return nil, fmt.Errorf("qemu: %w", err)
	}
	if b.Version.Less(MinVersion) {
		return nil, fmt.Errorf("qemu: %s is version %s, and %s or later is needed; %s", b.Path, b.Version, MinVersion, cure(t.pkg))
	}
	return b, nil
}

// lookUp returns the program that an environment variable names, or that is in PATH.
func lookUp(env, program string) (string, error) {
	if path := os.Getenv(env); path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("%s: %w", env, err)
		}
		return found, nil
	}
	found, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%s is not installed", program)
	}
	return found, nil
}

// cure says how a missing or old program is installed on this system.
func cure(pkg string) string {
	if runtime.GOOS == "darwin" {
		return "install it with `brew install qemu`"
	}
	return fmt.Sprintf("install package %s (on Debian 12 from bookworm-backports), or run `make up`, which does", pkg)
}

var versionPattern = regexp.MustCompile(`version (\d+)\.(\d+)(?:\.(\d+))?`)

// askVersion runs a system emulator for its version.
func askVersion(ctx context.Context, path string) (string, Version, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	end := span.Begin(ctx, "qemu", "--version")
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	end(err)
	if err != nil {
		return "", Version{}, fmt.Errorf("%s --version: %w", path, withStderr(err))
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	build := strings.TrimSpace(string(line))
	v, err := parseVersion(build)
	if err != nil {
		return "", Version{}, fmt.Errorf("%s --version: %w", path, err)
	}
	return build, v, nil
}

// parseVersion finds the version in the first line of --version.
func parseVersion(line string) (Version, error) {
	m := versionPattern.FindStringSubmatch(line)
	if m == nil {
		return Version{}, fmt.Errorf("no version in %.80q", line)
	}
	var v Version
	for i, part := range []*int{&v.Major, &v.Minor, &v.Micro} {
		*part, _ = strconv.Atoi(m[i+1]) // digits, or nothing for 0
	}
	return v, nil
}

// withStderr adds what a program has said to its exit error.
func withStderr(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if said := strings.TrimSpace(string(exit.Stderr)); said != "" {
			return fmt.Errorf("%w: %s", err, said)
		}
	}
	return err
}

// Fingerprint changes whenever the program does: path, size, time of change and version. What has been learnt about a
// binary may be kept under it.
func (b *Binary) Fingerprint() (string, error) {
	info, err := os.Stat(b.Path)
	if err != nil {
		return "", fmt.Errorf("qemu: %w", err)
	}
	return fmt.Sprintf("%s|%d|%d|%s", b.Path, info.Size(), info.ModTime().UnixNano(), b.Build), nil
}
