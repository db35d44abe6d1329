package image

import (
	"context"
	"time"

	"github.com/stackemu/stackemu/internal/github"
)

// Published is a release with images.
type Published struct {
	Tag    string           `json:"tag"`
	Kind   string           `json:"kind"` // "latest", "release", "pre-release" or "draft"
	Date   time.Time        `json:"date"`
	Images []PublishedImage `json:"images"`
}

// PublishedImage is an image of a release.
type PublishedImage struct {
	Arch      string `json:"arch"`
	Size      int64  `json:"size"` // bytes
	Digest    string `json:"digest,omitempty"`
	Installed bool   `json:"installed"` // it is the image here
}

// Releases asks which images are published, newest first, limit releases at most. repo is OWNER/NAME, or "".
func (p *Puller) Releases(ctx context.Context, repo string, limit int) ([]Published, error) {
	c, err := p.github(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	of := Request{Repo: repo}.repo()
	releases, err := c.Releases(ctx, of, limit, func(r github.Release) bool { return IsEmulatorTag(r.Tag) })
	if err != nil {
		return nil, err
	}
	latest, err := c.LatestTag(ctx, of)
	if err != nil {
		return nil, err
	}
	all := []Published{}
	for _, r := range releases {
		all = append(all, Published{Tag: r.Tag, Kind: kind(r, latest), Date: r.Published, Images: p.images(ctx, r)})
	}
	return all, nil
}

func kind(r github.Release, latest string) string {
	switch {
	case r.Draft:
		return "draft"
	case r.PreRelease:
		return "pre-release"
	case r.Tag == latest:
		return "latest"
	}
	return "release"
}

func (p *Puller) images(ctx context.Context, r github.Release) []PublishedImage {
	all := []PublishedImage{}
	for _, arch := range []string{"amd64", "arm64"} {
		a, ok := r.Asset(AssetName(arch))
		if !ok {
			continue
		}
		here := (&pull{Puller: p, image: p.Home.Image(arch)}).digest(ctx)
		all = append(all, PublishedImage{Arch: arch, Size: a.Size, Digest: a.Digest, Installed: a.Digest != "" && a.Digest == here})
	}
	return all
}
