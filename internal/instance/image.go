package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/stackemu/stackemu/internal/home"
)

// sidecar is what is read of the JSON file beside an image.
type sidecar struct {
	Profile  string   `json:"profile"`
	Services []string `json:"services"` // of the profile that the image has; none for all
}

// publishedProfile is the profile of an image without a sidecar: one that the product's own tools have fetched.
const publishedProfile = "stack-auth"

// ErrNoImage says that there is no image to run, and what to do about it.
var ErrNoImage = errors.New("there is no image yet: build one with `stackemu image build`")

// findImage sees that there is an image (or an instance that keeps an older one) and finds the table of its services.
func (i *Instance) findImage(context.Context) error {
	image, s := i.home.Image(i.config.Arch), &i.surveyed
	if _, err := os.Stat(image.Disk); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("image: %w", err)
		}
		if !s.ownDisk {
			return fmt.Errorf("%w (looked for %s)", ErrNoImage, image.Disk)
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
