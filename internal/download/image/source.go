package image

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/stackemu/stackemu/internal/github"
)

// source is where a wanted image comes from.
type source struct {
	about  Sidecar // as far as it is known before it is there
	size   int64   // of what is fetched, in bytes; 0 when it is not known
	digest string  // of what is fetched; "" when it is not known
	locate func(context.Context) (string, error)
	link   string // where it is, if that is for good: there the ETag tells whether it is what is here
	zipped bool   // what is fetched is an archive around the image
	path   string // it is a file of this machine
	close  func() // when locate is not needed any more
}

// find finds out what is wanted. It asks GitHub, and fetches nothing. The source is to be closed, after an error as well.
func (p *Puller) find(ctx context.Context, r Request) (s source, err error) {
	defer func() {
		if s.close == nil {
			s.close = func() {}
		}
	}()
	switch {
	case r.IsURL():
		return fromURL(r.File)
	case r.File != "":
		return source{path: r.File, about: Sidecar{Source: "file", From: r.File}}, nil
	}
	c, err := p.github(ctx)
	if err != nil {
		return source{}, err
	}
	switch {
	case r.PR != 0:
		s, err = fromPull(ctx, c, r)
	case r.Run != 0:
		s, err = fromRun(ctx, c, r, github.Run{ID: r.Run, Repo: r.repo()}, fmt.Sprintf("run %d of %s", r.Run, r.repo()))
	default:
		s, err = fromRelease(ctx, c, r)
	}
	s.close = c.Close
	return s, err
}

func fromURL(link string) (source, error) {
	u, err := url.Parse(link)
	if err != nil || u.Host == "" {
		return source{}, errors.New("--file: no such URL is possible")
	}
	u.RawQuery, u.Fragment, u.User = "", "", nil // they may be secrets, and what is written down is for all to see
	return source{about: Sidecar{Source: "url", From: u.String()}, link: link, locate: func(context.Context) (string, error) { return link, nil }}, nil
}

func fromRelease(ctx context.Context, c *github.Client, r Request) (source, error) {
	repo, tag := r.repo(), r.Tag
	if tag == "" {
		branch := r.Branch
		if branch == "" {
			branch = DefaultBranch
		}
		tag = TagOf(branch)
	}
	release, err := c.Release(ctx, repo, tag)
	if errors.Is(err, github.ErrNotFound) {
		return source{}, fmt.Errorf("%w. `stackemu list-releases` shows what there is", err)
	}
	if err != nil {
		return source{}, err
	}
	a, ok := release.Asset(AssetName(r.Arch))
	if !ok {
		return source{}, fmt.Errorf("release %s of %s has no %s; it has: %s", tag, repo, AssetName(r.Arch), names(release))
	}
	return source{
		about: Sidecar{Source: "release", From: fmt.Sprintf("release %s of %s", tag, repo), Repository: repo.String(), Tag: tag},
		size:  a.Size, digest: a.Digest,
		locate: func(ctx context.Context) (string, error) { return c.AssetURL(ctx, repo, a.ID) },
	}, nil
}

func names(r github.Release) string {
	all := []string{}
	for _, a := range r.Assets {
		all = append(all, a.Name)
	}
	if len(all) == 0 {
		return "no files"
	}
	return words(all)
}

func fromPull(ctx context.Context, c *github.Client, r Request) (source, error) {
	repo := r.repo()
	if err := c.NeedToken(fmt.Sprintf("artifacts of pull request %d of %s", r.PR, repo)); err != nil { // the end of the way needs one
		return source{}, err
	}
	pull, err := c.PullRequest(ctx, repo, r.PR)
	if err != nil {
		return source{}, err
	}
	if pull.Head == (github.Repo{}) {
		return source{}, fmt.Errorf("pull request %d of %s comes from a repository that is gone; `--run ID` takes the artifacts of a run", r.PR, repo)
	}
	run, err := c.LatestRun(ctx, repo, Workflow, pull.Branch, pull.Head)
	if err != nil {
		return source{}, err
	}
	return fromRun(ctx, c, r, run, fmt.Sprintf("pull request %d of %s (run %d)", r.PR, repo, run.ID))
}

func fromRun(ctx context.Context, c *github.Client, r Request, run github.Run, from string) (source, error) {
	a, err := c.Artifact(ctx, run.Repo, run.ID, ArtifactName(r.Arch))
	if err != nil {
		return source{}, err
	}
	return source{
		about: Sidecar{Source: "artifact", From: from, Repository: run.Repo.String(), Run: run.ID, PR: r.PR},
		// The size is that of the archive as GitHub counts it, which need not be to the byte: the digest decides.
		digest: a.Digest, zipped: true,
		locate: func(ctx context.Context) (string, error) { return c.ArtifactURL(ctx, run.Repo, a.ID) },
	}, nil
}

// identity is what a partial file is known by.
func (s source) identity() string { return strings.Join([]string{s.about.From, s.digest}, " ") }

// differs says whether something else has been announced.
func (s source) differs(other source) bool {
	return s.identity() != other.identity() || s.size != other.size
}

// words joins flags or names for a sentence.
func words(all []string) string {
	slices.Sort(all)
	return strings.Join(all, ", ")
}
