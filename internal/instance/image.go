package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/hostport"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/qemu"
)

// sidecar is what is read of the JSON file beside an image.
type sidecar struct {
	Profile string `json:"profile"`
}

// publishedProfile is the profile of an image without a sidecar: one that the product's own tools have fetched.
const publishedProfile = "stack-auth"

// ErrNoImage says that there is no image to run, and what to do about it.
var ErrNoImage = errors.New("there is no image yet: build one with `stackemu image build`")

// findImage sees that there is an image (or an instance that keeps an older one) and finds the table of its services.
func (i *Instance) findImage(_ context.Context, b *Boot) error {
	image := i.home.Image(i.config.Arch)
	if _, err := os.Stat(image.Disk); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("image: %w", err)
		}
		if _, err := os.Stat(i.Files.Disk); err != nil {
			return fmt.Errorf("%w (looked for %s)", ErrNoImage, image.Disk)
		}
	}
	side, err := readSidecar(image)
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	table, err := profile.ByName(side.Profile, i.config.PortPrefix)
	if err != nil {
		return fmt.Errorf("image: %s: %w", image.Sidecar, err)
	}
	b.profile, err = table.WithHostPorts(i.config.Ports.ByService())
	return err
}

func readSidecar(image home.Image) (sidecar, error) {
	side := sidecar{Profile: publishedProfile}
	b, err := os.ReadFile(image.Sidecar)
	if errors.Is(err, fs.ErrNotExist) {
		return side, nil
	}
	if err != nil {
		return side, err
	}
	if err := json.Unmarshal(b, &side); err != nil {
		return side, fmt.Errorf("%s: %w", image.Sidecar, err)
	}
	return side, nil
}

// checkPorts sees that the host ports are free. QEMU would only say that it could not set up a forward.
func (i *Instance) checkPorts(_ context.Context, b *Boot) error {
	var errs []error
	for _, s := range b.profile.Services {
		if err := hostport.Check(s.HostPort); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}

// makeDisk sees that the instance has its overlay. The overlay lies on base, a second name (hard link) of the image as it
// was when the instance was made: publishing a newer image by rename takes the first name only.
func (i *Instance) makeDisk(ctx context.Context, b *Boot) error {
	image := i.home.Image(i.config.Arch).Disk
	if _, err := os.Stat(i.Files.Disk); err == nil {
		return i.keepDisk(b, image)
	}
	if _, err := qemu.CheckImage(image); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	if err := os.Remove(i.Files.Base); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("disk: %w", err)
	}
	if err := os.Link(image, i.Files.Base); err != nil {
		return fmt.Errorf("disk: keep hold of the image (it must be on the same file system as %s): %w", i.Files.Dir, err)
	}
	if err := b.binary.CreateOverlay(ctx, i.Files.Base, i.Files.Disk); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	return nil
}

// keepDisk checks an overlay that is there already, and tells when the image has moved on without it.
func (i *Instance) keepDisk(b *Boot, image string) error {
	base, err := os.Stat(i.Files.Base)
	if err != nil {
		return fmt.Errorf("disk: %s is of no use without the image that it was made from: %w", i.Files.Disk, err)
	}
	if _, err := qemu.CheckImage(i.Files.Disk, filepath.Base(i.Files.Base)); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	if now, err := os.Stat(image); err == nil && !os.SameFile(base, now) {
		b.Notes = append(b.Notes, "runs on the image that it was made from; to start afresh on the newer one, remove "+i.Files.Dir)
	}
	return nil
}
