package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stackemu/stackemu/internal/span"
	"github.com/stackemu/stackemu/qemu/qmp"
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

	cache    string // where answers are kept; "" is nowhere
	recalled bool   // the version was known from an earlier time
}

// versionTimeout bounds `qemu-system-... --version`, which takes 20 ms, or seconds from a cold disk.
const versionTimeout = 20 * time.Second

// Find looks for the QEMU of an architecture and for qemu-img: where the environment says, else in PATH. An error says
// what to install.
func Find(ctx context.Context, arch Arch) (*Binary, error) { return FindCached(ctx, arch, "") }

// FindCached is [Find] with the answer of --version kept in a file in dir for as long as the program stays the same. A script, which may
// start any QEMU, is asked each time. Whoever has started the program calls [Binary.Confirm].
func FindCached(ctx context.Context, arch Arch, dir string) (*Binary, error) {
	t, err := arch.traits()
	if err != nil {
		return nil, fmt.Errorf("qemu: %w", err)
	}
	b := &Binary{Arch: arch, cache: dir}
	if b.Path, err = lookUp(t.env, t.program); err != nil {
		return nil, fmt.Errorf("qemu: %w; %s", err, cure(t.pkg))
	}
	if b.Img, err = lookUp("QEMU_IMG", "qemu-img"); err != nil {
		return nil, fmt.Errorf("qemu: %w; %s", err, cure("qemu-utils"))
	}
	if err := b.learnVersion(ctx); err != nil {
		return nil, fmt.Errorf("qemu: %w", err)
	}
	if b.Version.Less(MinVersion) {
		return nil, fmt.Errorf("qemu: %s is version %s, and %s or later is needed; %s", b.Path, b.Version, MinVersion, cure(t.pkg))
	}
	return b, nil
}

// learnVersion asks the program which version it is, or knows that from an earlier time.
func (b *Binary) learnVersion(ctx context.Context) error {
	path := b.versionFile()
	key, native := sealed(b.Path)
	if !native {
		path = ""
	}
	b.recalled = true
	var err error
	b.Build, err = cached(ctx, path, key, func() (string, error) {
		b.recalled = false
		return askVersion(ctx, b.Path)
	})
	if err == nil {
		b.Version, err = parseVersion(b.Build)
	}
	if err != nil {
		return fmt.Errorf("%s --version: %w", b.Path, err)
	}
	return nil
}

func (b *Binary) versionFile() string {
	if b.cache == "" {
		return ""
	}
	return filepath.Join(b.cache, "version-"+string(b.Arch)+".json")
}

// Confirm compares what was known with what the program says of itself now that it runs. If it is another version, the answer is dropped,
// so that the next one to look for the program asks it.
func (b *Binary) Confirm(runs qmp.Version) error {
	if !b.recalled || b.Version.String() == runs.String() {
		return nil
	}
	err := fmt.Errorf("qemu: %s was version %s, and runs as %s", b.Path, b.Version, runs)
	if removed := os.Remove(b.versionFile()); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
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

// askVersion runs a system emulator for the first line of its version.
func askVersion(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	end := span.Begin(ctx, "qemu", "--version")
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	end(err)
	if err != nil {
		return "", withStderr(err)
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	build := strings.TrimSpace(string(line))
	_, err = parseVersion(build) // what is no version is not kept
	return build, err
}

// executables begin with one of these where they are for the processor itself: ELF, and Mach-O (64 bits, or for several processors).
var executables = []string{"\x7fELF", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe"}

// sealed identifies a program by its file, and says whether that is for the processor and not a script.
func sealed(path string) (key string, native bool) {
	f, err := os.Open(path)
	if err != nil {
		return "", false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", false
	}
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil || !slices.Contains(executables, string(magic[:])) {
		return "", false
	}
	var inode uint64
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = stat.Ino
	}
	return fmt.Sprintf("%s|%d|%d|%d", path, inode, info.Size(), info.ModTime().UnixNano()), true
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
