package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/qemu"
)

// install says how packages get onto this system.
func install(packages string) string {
	if runtime.GOOS == "darwin" {
		return "brew install qemu"
	}
	return fmt.Sprintf("install %s, for instance with sudo apt-get install %s (on Debian 12 from bookworm-backports)", packages, packages)
}

var (
	packages = map[string]string{"amd64": "qemu-system-x86", "arm64": "qemu-system-arm qemu-efi-aarch64"}
	programs = map[string]struct{ name, variable string }{
		"amd64": {"qemu-system-x86_64", "QEMU_SYSTEM_X86_64"}, "arm64": {"qemu-system-aarch64", "QEMU_SYSTEM_AARCH64"},
	}
)

// qemu examines the programs, and what they can do.
func (p *patient) qemu(ctx context.Context) []Finding {
	all := []Finding{p.program("qemu", programs[p.Arch].name, programs[p.Arch].variable, install(packages[p.Arch])),
		p.program("qemu_img", "qemu-img", "QEMU_IMG", install("qemu-utils"))}
	if !Well(all) {
		return all
	}
	b, err := qemu.Find(ctx, qemu.Arch(p.Arch))
	if err != nil { // the programs are there: it is too old, or does not run
		return append(all, with(Problem, "qemu_version", install(packages[p.Arch]), "%s", firstPart(err)))
	}
	return append(all, ok("qemu_version", "%s (%s or later is needed)", b.Build, qemu.MinVersion), p.capabilities(ctx, b), p.accelerator(ctx, b))
}

// program looks for a program where a start will.
func (p *patient) program(code, name, variable, cure string) Finding {
	if given := os.Getenv(variable); given != "" {
		name, cure = given, fmt.Sprintf("correct or unset %s, which names it", variable)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return with(Problem, code, cure, "%s is not there, or cannot be run", name)
	}
	return ok(code, "%s", path)
}

// firstPart is an error without the advice at its end, which is ours to give.
func firstPart(err error) string {
	text, _, _ := strings.Cut(err.Error(), "; ")
	return text
}

// cache is where answers are kept; "" when there is no home yet, which is not for us to make.
func (p *patient) cache() string {
	if info, err := os.Stat(p.Home); err != nil || !info.IsDir() {
		return ""
	}
	return p.Folders().Cache
}

func (p *patient) capabilities(ctx context.Context, b *qemu.Binary) Finding {
	const code = "snapshot_formats"
	ask := func() (qemu.Capabilities, error) { return b.Capabilities(ctx) }
	if dir := p.cache(); dir != "" {
		ask = func() (qemu.Capabilities, error) { return b.CachedCapabilities(ctx, dir) }
	}
	caps, err := ask()
	if err != nil {
		return with(Problem, code, install(packages[p.Arch]), "QEMU does not say what it can do: %s", firstPart(err))
	}
	return formats(code, caps, install(packages[p.Arch]))
}

func formats(code string, caps qemu.Capabilities, cure string) Finding {
	switch {
	case caps.Lazy() && caps.Mapped():
		return ok(code, "this QEMU takes lazy and mapped-ram snapshots")
	case caps.Lazy():
		return ok(code, "this QEMU takes lazy snapshots; it has no mapped-ram")
	case caps.Mapped():
		return with(Warning, code, cure, "this QEMU takes mapped-ram snapshots only, which are slower to resume")
	}
	return with(Warning, code, cure, "this QEMU takes no snapshots: every start boots from the disk")
}

func (p *patient) accelerator(ctx context.Context, b *qemu.Binary) Finding {
	const code = "accelerator"
	choice, err := qemu.ProbeAccel(ctx, b, p.layout(), p.cache())
	if err != nil {
		return with(Problem, code, install(packages[p.Arch]), "%v", err)
	}
	return accelerated(code, p.Arch, choice)
}

// layout is the one that a start has, so that its answer of the probe is used, and ours is by it.
func (p *patient) layout() qemu.Layout {
	if table, err := p.services(); err == nil && table.OriginalLayout {
		return qemu.OriginalLayout(qemu.Arch(p.Arch), p.RAMMiB, p.CPUs)
	}
	return qemu.Default(qemu.Arch(p.Arch), p.RAMMiB, p.CPUs)
}

// services is the table of the image's profile, with the ports of the default instance.
func (p *patient) services() (profile.Profile, error) {
	side := struct {
		Profile  string   `json:"profile"`
		Services []string `json:"services"`
	}{Profile: "stack-auth"} // that of an image without a file beside it
	if text, err := os.ReadFile(p.Folders().Image(p.Arch).Sidecar); err == nil {
		if err := json.Unmarshal(text, &side); err != nil {
			return profile.Profile{}, err
		}
	}
	return p.Table(side.Profile, side.Services)
}

func accelerated(code, arch string, choice qemu.Choice) Finding {
	if choice.Accel != qemu.TCG {
		return ok(code, "%s runs guests", choice.Accel)
	}
	why := choice.Detail
	if why == "" {
		why = "this machine offers nothing faster"
	}
	cure := "let this system use the CPU's virtualization: in the firmware's settings, or, in a virtual machine, as nested virtualization of its host"
	switch {
	case qemu.Arch(arch) != qemu.HostArch():
		cure = fmt.Sprintf("use an image for this machine: unset EMULATOR_ARCH, or set it to %s", qemu.HostArch())
	case strings.Contains(why, "group kvm"):
		cure = "sudo usermod -aG kvm $USER, and log in again"
	case runtime.GOOS == "darwin":
		cure = "brew reinstall qemu, whose programs are signed for Hypervisor.framework"
	}
	return with(Warning, code, cure, "guests are translated (%s), which is 10 to 20 times slower: %s", qemu.TCG, why)
}
