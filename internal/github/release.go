package github

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	api "github.com/google/go-github/v75/github"
)

// Release is a release.
type Release struct {
	Tag        string
	Draft      bool
	PreRelease bool
	Published  time.Time // or created, of a draft
	Assets     []Asset
}

// Asset is a file of a release.
type Asset struct {
	ID      int64
	Name    string
	Size    int64  // bytes
	Digest  string // "sha256:…"; "" for one that GitHub has not made a digest of
	Updated time.Time
}

// Asset is the file with a name. One that is still being uploaded does not count.
func (r Release) Asset(name string) (Asset, bool) {
	for _, a := range r.Assets {
		if a.Name == name {
			return a, true
		}
	}
	return Asset{}, false
}

// Release asks for the release of a tag.
func (c *Client) Release(ctx context.Context, repo Repo, tag string) (Release, error) {
	what := fmt.Sprintf("release %s of %s", tag, repo)
	return persist(ctx, c, what, func(ctx context.Context) (Release, error) {
		r, _, err := c.api.Repositories.GetReleaseByTag(ctx, repo.Owner, repo.Name, url.PathEscape(tag))
		return release(r), err
	})
}

// LatestTag asks for the tag of the release that GitHub shows as the latest; "" when there is none.
func (c *Client) LatestTag(ctx context.Context, repo Repo) (string, error) {
	return persist(ctx, c, "latest release of "+repo.String(), func(ctx context.Context) (string, error) {
		r, answer, err := c.api.Repositories.GetLatestRelease(ctx, repo.Owner, repo.Name)
		if answer != nil && answer.StatusCode == http.StatusNotFound {
			return "", nil
		}
		return r.GetTagName(), err
	})
}

// Pages of releases: how long one is, and how many are read at most.
const (
	perPage  = 100
	maxPages = 10
)

// Releases asks for the releases that keep wants, newest first, limit at most.
func (c *Client) Releases(ctx context.Context, repo Repo, limit int, keep func(Release) bool) (all []Release, err error) {
	for page := 1; page > 0 && page <= maxPages && len(all) < limit; {
		next := 0
		found, err := persist(ctx, c, "releases of "+repo.String(), func(ctx context.Context) ([]*api.RepositoryRelease, error) {
			found, answer, err := c.api.Repositories.ListReleases(ctx, repo.Owner, repo.Name, &api.ListOptions{Page: page, PerPage: perPage})
			if err == nil {
				next = answer.NextPage
			}
			return found, err
		})
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if one := release(r); keep(one) && len(all) < limit {
				all = append(all, one)
			}
		}
		page = next
	}
	return all, nil
}

func release(r *api.RepositoryRelease) Release {
	out := Release{Tag: r.GetTagName(), Draft: r.GetDraft(), PreRelease: r.GetPrerelease(), Published: r.GetPublishedAt().Time}
	if out.Published.IsZero() {
		out.Published = r.GetCreatedAt().Time
	}
	if r == nil {
		return out
	}
	for _, a := range r.Assets {
		if a.GetState() == "uploaded" {
			out.Assets = append(out.Assets, Asset{ID: a.GetID(), Name: a.GetName(), Size: int64(a.GetSize()), Digest: digest(a.GetDigest()), Updated: a.GetUpdatedAt().Time})
		}
	}
	return out
}

// AssetURL asks where an asset lies now. The link is good for minutes, and for everybody.
func (c *Client) AssetURL(ctx context.Context, repo Repo, id int64) (string, error) {
	return c.locate(ctx, fmt.Sprintf("asset %d of %s", id, repo), fmt.Sprintf("repos/%s/releases/assets/%d", repo, id))
}
