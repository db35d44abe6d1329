package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/snapshot"
)

// setting is one thing that can be set.
type setting struct {
	key       string   // in a file; groups are divided by dots
	variables []string // of the environment; the first that is set counts
	opposite  bool     // the variables say the opposite of the key
	flag      string   // of the commands that take it, with its dashes
	meaning   string   // for the documentation
	userOnly  string   // why a project's file may not set it; "" if it may
	list      bool
	access

	preset      func(*resolver) (string, error) // what it is when nobody sets it, as a text; "" leaves it as it is
	presetWords string                          // the same for the documentation, where the text is not the same everywhere
}

// Why a project's file, which may have come with somebody else's code, may not set everything (docs/decisions/0016).
const (
	keepsSecrets = "it decides whether the guest's secrets are secret"
	keepsNetwork = "it decides whether the network is used"
	keepsSource  = "it decides whose program runs in the guest"
	keepsFolders = "it decides where images are taken from and data is written to"
)

// settings are all of them, in the order of the documentation.
var settings = []setting{
	{key: "name", variables: []string{"STACKEMU_INSTANCE"}, flag: "--name",
		meaning: "the instance that commands are about when none is named; `auto` makes a name of the git worktree",
		access:  at(instances, func(c *Config) *string { return &c.Name }), preset: fixed(home.DefaultInstance)},
	{key: "profile", meaning: "the table of the image's services: a built-in one (" + strings.Join(profile.Names(), ", ") + "), or one of `profiles`",
		access: at(texts("the name of a profile", profileForm), func(c *Config) *string { return &c.Profile }), preset: fixed(""), presetWords: "what the image says"},
	{key: "arch", variables: []string{"EMULATOR_ARCH"}, flag: "--arch",
		meaning: "the guest's processor",
		access:  at(architectures, func(c *Config) *string { return &c.Arch }), preset: fixed(hostArch()), presetWords: "this machine's"},
	{key: "ram", variables: []string{"EMULATOR_RAM"},
		meaning: "the guest's memory in MiB, or in GiB with a G",
		access:  at(mebibytes, func(c *Config) *int { return &c.RAMMiB }), preset: fixed(fmt.Sprint(defaultRAMMiB))},
	{key: "cpus", variables: []string{"EMULATOR_CPUS"},
		meaning: "the guest's processors",
		access:  at(numbers(1, maxCPUs), func(c *Config) *int { return &c.CPUs }), preset: fixed(fmt.Sprint(defaultCPUs())), presetWords: "4, or as many as the host has"},
	{key: "mounts", flag: "--mount", list: true,
		meaning: "up to three folders that the guest sees below `/host`, as `DIR`, `DIR:ro` or `DIR:rw`; in a project's file they are in its folder",
		access:  mountAccess, preset: fixed(""), presetWords: "none"},
	{key: "ports.dashboard", variables: []string{"EMULATOR_DASHBOARD_PORT"},
		meaning: "the dashboard's port on 127.0.0.1, for one instance at a time",
		access:  port(func(c *Config) *int { return &c.Given.Dashboard }, func(c *Config) *int { return &c.Ports.Dashboard }), preset: fixed(""), presetWords: "26700"},
	{key: "ports.backend", variables: []string{"EMULATOR_BACKEND_PORT"},
		meaning: "the same of the backend",
		access:  port(func(c *Config) *int { return &c.Given.Backend }, func(c *Config) *int { return &c.Ports.Backend }), preset: fixed(""), presetWords: "26701"},
	{key: "ports.storage", variables: []string{"EMULATOR_MINIO_PORT"},
		meaning: "the same of the object storage",
		access:  port(func(c *Config) *int { return &c.Given.Storage }, func(c *Config) *int { return &c.Ports.Storage }), preset: fixed(""), presetWords: "26702"},
	{key: "ports.mail", variables: []string{"EMULATOR_INBUCKET_PORT"},
		meaning: "the same of the mail box",
		access:  port(func(c *Config) *int { return &c.Given.Mail }, func(c *Config) *int { return &c.Ports.Mail }), preset: fixed(""), presetWords: "26703"},
	{key: "ports.guest_prefix", variables: []string{"PORT_PREFIX", "NEXT_PUBLIC_STACK_PORT_PREFIX"},
		meaning: "the first digits of the product's ports in the guest",
		access:  at(numbers(minPrefix, maxPrefix), func(c *Config) *int { return &c.PortPrefix }), preset: fixed(fmt.Sprint(profile.DefaultPrefix))},
	{key: "timeouts.ready", variables: []string{"EMULATOR_READY_TIMEOUT"},
		meaning: "after this a boot whose services are not healthy has failed",
		access:  at(waits, func(c *Config) *time.Duration { return &c.ReadyTimeout }), preset: fixed(defaultReadyTimeout.String())},
	{key: "timeouts.resume", variables: []string{"EMULATOR_SNAPSHOT_READY_TIMEOUT"},
		meaning: "the same for a resume",
		access:  at(waits, func(c *Config) *time.Duration { return &c.SnapshotReadyTimeout }), preset: fixed(defaultSnapshotReadyTimeout.String())},
	{key: "snapshots.enabled", variables: []string{"EMULATOR_NO_SNAPSHOT"}, opposite: true,
		meaning: "resume instances, instead of always booting from the disk",
		access:  unless(func(c *Config) *bool { return &c.NoSnapshot }), preset: fixed("true")},
	{key: "snapshots.format", variables: []string{"EMULATOR_SNAPSHOT_FORMAT"}, flag: "--format",
		meaning: "the format of snapshots (snapshots.md)",
		access:  at(formats, func(c *Config) *snapshot.Format { return &c.Format }), preset: fixed(""), presetWords: "`lazy`, where QEMU can"},
	{key: "snapshots.required", flag: "--require-snapshot",
		meaning: "fail instead of booting from the disk (for CI)",
		access:  at(switches, func(c *Config) *bool { return &c.RequireSnapshot }), preset: fixed("false")},
	{key: "snapshots.recapture", variables: []string{"EMULATOR_FORCE_CAPTURE"},
		meaning: "capture a new snapshot at each first start, even if there is one",
		access:  at(switches, func(c *Config) *bool { return &c.ForceCapture }), preset: fixed("false")},
	{key: "rotation", variables: []string{"EMULATOR_NO_ROTATION"}, opposite: true, userOnly: keepsSecrets,
		meaning: "replace the public placeholder secrets by fresh ones",
		access:  unless(func(c *Config) *bool { return &c.NoRotation }), preset: fixed("true")},
	{key: "offline", flag: "--offline", userOnly: keepsNetwork,
		meaning: "a start never uses the network: without an image it fails instead of pulling one",
		access:  at(switches, func(c *Config) *bool { return &c.Offline }), preset: fixed("false")},
	{key: "image.repo", flag: "--repo", userOnly: keepsSource,
		meaning: "the repository that images are pulled from",
		access:  at(texts("OWNER/NAME", repoForm), func(c *Config) *string { return &c.ImageRepo }), preset: fixed(""), presetWords: "stack-auth/stack-auth"},
	{key: "image.branch", flag: "--branch",
		meaning: "the branch whose latest release is pulled",
		access:  at(texts("the name of a branch", branchForm), func(c *Config) *string { return &c.ImageBranch }), preset: fixed(""), presetWords: "dev"},
	{key: "folders.home", variables: []string{"STACK_EMULATOR_HOME"}, userOnly: keepsFolders,
		meaning: "where images, snapshots and instances are",
		access:  folder(func(c *Config) *string { return &c.Home }), preset: defaultHome, presetWords: "`~/.stack/emulator`"},
	{key: "folders.images", variables: []string{"EMULATOR_IMAGE_DIR"}, userOnly: keepsFolders,
		meaning: "where images are, by themselves",
		access:  folder(func(c *Config) *string { return &c.ImageDir }),
		preset:  func(r *resolver) (string, error) { return home.New(r.config.Home).Images, nil }, presetWords: "`images` in the home"},
	{key: "folders.run", variables: []string{"EMULATOR_RUN_DIR"}, userOnly: keepsFolders,
		meaning: "where instances are, by themselves",
		access:  folder(func(c *Config) *string { return &c.RunDir }),
		preset:  func(r *resolver) (string, error) { return home.New(r.config.Home).Run, nil }, presetWords: "`run` in the home"},
}

const (
	profileForm = `^[a-z0-9][a-z0-9-]{0,31}$`
	repoForm    = `^[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9_.-]+$`
	branchForm  = `^[A-Za-z0-9_][A-Za-z0-9_./-]*$`
)

var byKey = func() map[string]*setting {
	all := map[string]*setting{}
	for n := range settings {
		all[settings[n].key] = &settings[n]
	}
	return all
}()

// groups are the keys that have others below them.
var groups = func() map[string]bool {
	all := map[string]bool{}
	for _, s := range settings {
		if group, _, found := strings.Cut(s.key, "."); found {
			all[group] = true
		}
	}
	return all
}()

func fixed(text string) func(*resolver) (string, error) {
	return func(*resolver) (string, error) { return text, nil }
}

// hostArch is this host's own architecture, the only one that can be accelerated; on any other host amd64.
func hostArch() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "amd64"
}

// defaultCPUs is the number of vCPUs unless one is given: the product's four, or as many as the host has. A guest under
// emulation whose vCPUs have to take turns on the host's cores is slower, and its timers can stop (docs/decisions/0007).
func defaultCPUs() int { return min(mostCPUs, runtime.NumCPU()) }

func defaultHome(r *resolver) (string, error) {
	user, ok := r.variable("HOME")
	if !ok || !filepath.IsAbs(user) {
		return "", errors.New("the path of a folder: it must be set, because HOME is not")
	}
	return filepath.Join(user, ".stack", "emulator"), nil
}
