package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/stackemu/stackemu/internal/hostport"
	"github.com/stackemu/stackemu/internal/ports"
	"github.com/stackemu/stackemu/qemu"
)

// image looks at its header. Its content is for `stackemu snapshot check` and for the guest.
func (p *patient) image(context.Context) []Finding {
	const code = "image"
	path := p.Folders().Image(p.Arch).Disk
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return []Finding{with(Warning, code, "stackemu pull fetches one, stackemu image build makes one", "there is no image for %s yet; the first start pulls one", p.Arch)}
	}
	if err != nil {
		return []Finding{with(Problem, code, "chmod u+r "+quoted(path)+", or its directory", "%v", err)}
	}
	const again = "stackemu pull --force fetches it again, stackemu image build makes one"
	header, err := qemu.CheckImage(path)
	if err != nil {
		return []Finding{with(Problem, code, again, "%v", err)}
	}
	if _, err := p.services(); err != nil {
		return []Finding{with(Problem, code, again, "%s: what it has in it is not known: %v", path, err)}
	}
	return []Finding{ok(code, "%s (%s; %s for the guest)", path, inGiB(info.Size()), inGiB(header.VirtualSize))}
}

// firmware is what arm64 machines boot with.
func (p *patient) firmware(ctx context.Context) []Finding {
	const code = "firmware"
	if _, err := os.Stat(p.Folders().Image("arm64").Disk); err != nil && p.Arch != "arm64" {
		return nil
	}
	b, err := qemu.Find(ctx, qemu.ARM64)
	if err != nil {
		return []Finding{with(Problem, code, install(packages["arm64"]), "there is an image for arm64, and no QEMU for it: %s", firstPart(err))}
	}
	path, err := b.FindFirmware()
	if err != nil {
		return []Finding{with(Problem, code, install("qemu-efi-aarch64"), "%s", firstPart(err))}
	}
	return []Finding{ok(code, "%s", path)}
}

// ports looks at those of the default instance. Its own VM may have them.
func (p *patient) ports(context.Context) []Finding {
	const code = "ports"
	table, err := p.services()
	if err != nil {
		return nil // the image's check has said so
	}
	vm := p.vm("default")
	var all []Finding
	var free, own []int
	for _, s := range table.Services {
		err := hostport.Check(s.HostPort)
		var taken *hostport.TakenError
		switch {
		case err == nil && ports.Refused(s.HostPort):
			all = append(all, with(Warning, code, "give another one, with "+portSetting(table.Name, s.Name), "%s: browsers refuse port %d", s.Name, s.HostPort))
		case err == nil:
			free = append(free, s.HostPort)
		case errors.As(err, &taken) && vm != 0 && (taken.Owner.PID == vm || taken.Owner.PID == 0):
			own = append(own, s.HostPort)
		default:
			all = append(all, with(Problem, code, "end that program, or give another port, with "+portSetting(table.Name, s.Name), "%s: %v", s.Name, err))
		}
	}
	text := "of the default instance"
	if len(free) > 0 {
		text += ": " + numbers(free) + " are free"
	}
	if len(own) > 0 {
		text += ": " + numbers(own) + " are its own, for it runs"
	}
	if len(all) == 0 {
		all = append(all, ok(code, "%s", text))
	}
	return all
}

// portSetting is what gives a service another host port.
func portSetting(profile, service string) string {
	variables := map[string]string{"dashboard": "EMULATOR_DASHBOARD_PORT", "backend": "EMULATOR_BACKEND_PORT", "storage": "EMULATOR_MINIO_PORT", "mail": "EMULATOR_INBUCKET_PORT"}
	if name := variables[service]; name != "" {
		return name
	}
	return fmt.Sprintf("host_port of the service %s in the profile %s", service, profile)
}

// numbers are numbers as people write them.
func numbers(all []int) string {
	words := make([]string, len(all))
	for n, x := range all {
		words[n] = strconv.Itoa(x)
	}
	return strings.Join(words, ", ")
}
