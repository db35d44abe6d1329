package guest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// vmPackages are what the VM itself consists of, beside what is essential in Debian.
var vmPackages = []string{
	"acpid", // turns the power button of a QMP powerdown into a shutdown: there is no logind
	"crun",
	"kmod",
	"qemu-guest-agent",
	"systemd",
	"systemd-sysv",
	"cloud-init", // for the first boot, which removes it
}

// notUnpacked are patterns of files that dpkg leaves out: nobody reads them in here. Licences stay.
var notUnpacked = []string{
	"path-exclude=/usr/share/doc/*",
	"path-include=/usr/share/doc/*/copyright",
	"path-exclude=/usr/share/man/*",
	"path-exclude=/usr/share/info/*",
	"path-exclude=/usr/share/locale/*",
	"path-exclude=/usr/share/lintian/*",
	"path-exclude=/usr/share/bug/*",
	"path-exclude=/usr/share/bash-completion/*",
	"path-exclude=/usr/share/zsh/*",
	"path-exclude=/usr/lib/firmware/*",
}

// bootstrap is one run of mmdebstrap, which writes a Debian root as a tar stream to its standard output.
type bootstrap struct {
	Arch        string
	Variant     string // mmdebstrap's: how much beside Packages is installed
	Packages    []string
	Sources     []string // apt source lines
	AptOptions  []string
	Root        bool              // the caller is root; otherwise a user namespace stands in
	Exclude     []string          // paths that dpkg does not unpack, beside notUnpacked
	KeepModules []string          // kernel modules that stay, as in keptModules; nil keeps all
	Preseed     map[string]string // files that exist before Packages are installed, by path relative to the root
}

// args is the argument list of mmdebstrap.
func (b bootstrap) args() []string {
	mode := "unshare"
	if b.Root {
		mode = "root"
	}
	args := []string{"--mode=" + mode, "--format=tar", "--architectures=" + b.Arch, "--variant=" + b.Variant,
		"--include=" + strings.Join(b.Packages, ","),
		`--aptopt=Apt::Install-Recommends "false"`,
		`--aptopt=Acquire::Languages "none"`,
		`--aptopt=Acquire::Retries "3"`,
	}
	for _, option := range b.AptOptions {
		args = append(args, "--aptopt="+option)
	}
	for _, pattern := range b.Exclude {
		args = append(args, "--dpkgopt=path-exclude="+pattern)
	}
	for _, pattern := range notUnpacked { // after those: of dpkg's patterns the last that matches decides
		args = append(args, "--dpkgopt="+pattern)
	}
	for _, file := range slices.Sorted(maps.Keys(b.Preseed)) {
		args = append(args, "--essential-hook="+preseedHook(file, b.Preseed[file]))
	}
	if b.KeepModules != nil {
		args = append(args, "--customize-hook="+pruneModulesHook(b.KeepModules))
	}
	args = append(args, Release, "-")
	return append(args, b.Sources...)
}

// preseedHook is the shell command that writes a file below the root, which mmdebstrap passes as $1.
func preseedHook(file, text string) string {
	return fmt.Sprintf(`mkdir -p "$1"/%s && printf %%s %s > "$1"/%s`, quote(path.Dir(file)), quote(text), quote(file))
}

// pruneModulesHook is the shell command that deletes all other modules and makes the index of the rest anew: systemd and
// modprobe complain about modules that are in the index only.
func pruneModulesHook(keep []string) string {
	var find strings.Builder
	for _, module := range keep {
		if strings.HasSuffix(module, "/") {
			fmt.Fprintf(&find, " ! -path %s", quote("./kernel/"+module+"*"))
		} else {
			fmt.Fprintf(&find, " ! -path %s", quote("./kernel/"+module+".ko*"))
		}
	}
	return `set -e; cd "$1"/usr/lib/modules/*; find ./kernel -type f -name '*.ko*'` + find.String() +
		` -delete; chroot "$1" depmod "${PWD##*/}"`
}

// quote makes text one word of the shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// bootstrapEnv keeps the kernel package from building an initrd (36 MB that nobody boots), and its output in English.
var bootstrapEnv = []string{"INITRD=No", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
