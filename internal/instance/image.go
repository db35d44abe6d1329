package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/qemu"
)

// sidecar is what is read of the JSON file beside an image.
type sidecar struct {
	Profile  string   `json:"profile"`
	Services []string `json:"services"` // of the profile that the image has; none for all
}

// publishedProfile is the profile of an image without a sidecar: one that the product's own tools have fetched.
const publishedProfile = "stack-auth"

// ErrNoImage says that there is no image to run, and what to do about it.
var ErrNoImage = errors.New("there is no image yet: build one with `stackemu image build`, or fetch one with `stackemu pull`")

// findImage sees that there is an image (or an instance that keeps an older one) and finds the table of its services.
func (i *Instance) findImage(ctx context.Context) error {
	image, s := i.home.Image(i.config.Arch), &i.surveyed
	if _, err := os.Stat(image.Disk); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("image: %w", err)
		}
		if !s.ownDisk {
			if _, err := qemu.Find(ctx, qemu.Arch(i.config.Arch)); err != nil { // nobody wants to pull an image first to learn that
				return err
			}
			return fmt.Errorf("%w (looked for %s)", ErrNoImage, image.Disk)
		}
	}
	if s.ownDisk {
		if err := i.sameArch(); err != nil {
			return err
		}
	}
	side, err := readSidecar(image)
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	if s.profile, err = i.config.Table(side.Profile, side.Services); err != nil {
		return fmt.Errorf("image: %s: %w", image.Sidecar, err)
	}
	return nil
}

// sameArch sees that the instance's data is not that of a guest of another architecture, whose programs would not run.
func (i *Instance) sameArch() error {
	base, err := os.Stat(i.Files.Base)
	if err != nil {
		return nil // checkDisk tells
	}
	for _, arch := range []qemu.Arch{qemu.AMD64, qemu.ARM64} {
		image, err := os.Stat(i.home.Image(string(arch)).Disk)
		if err == nil && string(arch) != i.config.Arch && os.SameFile(base, image) {
			return fmt.Errorf("disk: %s has the data of a guest of %s, not %s: use another instance (--name), or throw its data away with stackemu reset %s",
				i.Files.Name, arch, i.config.Arch, i.Files.Name)
		}
	}
	return nil
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
