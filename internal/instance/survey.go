package instance

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu"
)

// Limits say what a survey must not ask for.
type Limits struct {
	Cold     bool // no snapshot and no capture: one of them has failed
	Captured bool // no capture: there has been one
}

// Survey is what an instance has found out about itself.
type Survey struct {
	Want    *Want       // a snapshot that it would like to start from; nil for none
	Notes   []string    // lines for the user
	Machine qemu.Choice // what runs the guest's code, and why that
}

// Want is a snapshot to start from.
type Want struct {
	Parts   snapshot.Parts
	Capture bool // capture one if there is none
	Force   bool // capture one also if there is one
}

// survey is what Prepare needs of the Survey before it.
type survey struct {
	Survey
	orphan   *orphan // a VM that runs already; then nothing else is known
	fellBack bool    // a resume, a capture or an adoption has failed
	ownDisk  bool    // the instance has data of its own
	profile  profile.Profile
	binary   *qemu.Binary
	caps     qemu.Capabilities
	layout   qemu.Layout
	parts    snapshot.Parts // of this image, here and now
	cold     bool
	pages    bool // of RAM that is mapped privately, a stop can save what the guest has written
}

// ErrNoSnapshot is the error of a start that is forbidden to boot from the disk and has nothing to resume.
var ErrNoSnapshot = errors.New("there is nothing to resume, and booting from the disk is forbidden (--require-snapshot)")

// Survey finds out what the next run of QEMU can be made of. It is called again for each generation. It returns soon after
// ctx is done.
func (i *Instance) Survey(ctx context.Context, l Limits) (Survey, error) {
	i.surveyed = survey{cold: l.Cold || i.config.NoSnapshot, fellBack: l.Cold}
	if err := i.findOrphan(ctx); err != nil || i.surveyed.orphan != nil { // first: it may hold disk and ports
		return i.surveyed.Survey, err
	}
	err := steps(ctx,
		i.tidy,
		i.findDisk,
		i.findImage,
		i.findQEMU,
		i.findParts,
	)
	if err != nil {
		return Survey{}, err
	}
	s := &i.surveyed
	if !s.cold && !s.ownDisk && s.parts.Format != "" {
		s.Want = &Want{Parts: s.parts, Capture: !l.Captured, Force: i.config.ForceCapture && !l.Captured}
	}
	return s.Survey, nil
}

// findDisk sees whether the instance has data of its own. Then nothing else may be resumed under it.
func (i *Instance) findDisk(context.Context) error {
	if i.captureOnly {
		return nil
	}
	_, err := os.Stat(i.Files.Disk)
	i.surveyed.ownDisk = err == nil
	return ignoreMissing(err)
}

// findQEMU finds the program, what it can do, and the accelerator that really runs guests.
func (i *Instance) findQEMU(ctx context.Context) error {
	arch, s := qemu.Arch(i.config.Arch), &i.surveyed
	var err error
	if s.binary, err = qemu.FindCached(ctx, arch, i.home.Cache); err != nil {
		return err
	}
	if s.caps, err = s.binary.CachedCapabilities(ctx, i.home.Cache); err != nil {
		return err
	}
	if s.profile.OriginalLayout {
		s.layout = qemu.OriginalLayout(arch, i.config.RAMMiB, i.config.CPUs)
	} else {
		s.layout = qemu.Default(arch, i.config.RAMMiB, i.config.CPUs)
	}
	if s.Machine, err = qemu.ProbeAccel(ctx, s.binary, s.layout, i.home.Cache); err != nil {
		return err
	}
	s.layout = s.layout.Under(s.Machine.Accel)
	if s.Machine.Note != "" {
		s.Notes = append(s.Notes, s.Machine.Note)
	}
	s.pages = s.caps.Sessions() && savesPages
	return nil
}

// findParts finds all that decides whether a snapshot or session loads here.
func (i *Instance) findParts(ctx context.Context) error {
	s := &i.surveyed
	cpu, err := snapshot.HostCPU()
	if err != nil {
		return err
	}
	format, note := chooseFormat(i.config.Format, s.caps)
	if note != "" && !s.cold {
		s.Notes = append(s.Notes, note)
	}
	s.parts = snapshot.Parts{Layout: s.layout, QEMU: s.binary.Build, Accel: string(s.Machine.Accel), HostCPU: cpu, Format: format, Version: snapshot.Version}
	if s.ownDisk {
		return nil // a session is on a disk of its own, whatever the image is
	}
	if s.parts.ImageDigest, err = snapshot.ImageDigest(ctx, i.home.Image(i.config.Arch).Disk, i.home.Cache); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return nil
}
