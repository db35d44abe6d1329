package github

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	api "github.com/google/go-github/v75/github"
)

// PullRequest is a pull request, as far as it says where its images come from.
type PullRequest struct {
	Number int
	Branch string // its head
	Head   Repo   // where that is; the zero Repo when the fork is gone
}

// Run is a run of a workflow.
type Run struct {
	ID      int64
	Repo    Repo // whose it is
	Branch  string
	SHA     string
	Created time.Time
}

// Artifact is what a run has left.
type Artifact struct {
	ID     int64
	Repo   Repo
	RunID  int64
	Name   string
	Size   int64  // of the zip file, in bytes, as it was uploaded
	Digest string // of the zip file; "" when GitHub has none
}

// PullRequest asks for a pull request.
func (c *Client) PullRequest(ctx context.Context, repo Repo, number int) (PullRequest, error) {
	what := fmt.Sprintf("pull request %d of %s", number, repo)
	return persist(ctx, c, what, func(ctx context.Context) (PullRequest, error) {
		p, _, err := c.api.PullRequests.Get(ctx, repo.Owner, repo.Name, number)
		if err != nil {
			return PullRequest{}, err
		}
		head, _ := ParseRepo(p.GetHead().GetRepo().GetFullName())
		return PullRequest{Number: number, Branch: p.GetHead().GetRef(), Head: head}, nil
	})
}

// LatestRun asks for the latest successful run of a workflow (its file name) for a branch of head. The runs for pull requests
// from a fork belong to the repository that they are made to; a fork that runs workflows itself has its own, which count when
// there is no other.
func (c *Client) LatestRun(ctx context.Context, repo Repo, workflow, branch string, head Repo) (Run, error) {
	what := fmt.Sprintf("successful runs of %s for the branch %s of %s", workflow, branch, head)
	run, err := c.latestRun(ctx, what, repo, workflow, branch, head)
	if err == nil || head == repo || !errors.Is(err, ErrNotFound) {
		return run, err
	}
	if own, ownErr := c.latestRun(ctx, what, head, workflow, branch, head); ownErr == nil {
		return own, nil
	}
	return Run{}, err
}

func (c *Client) latestRun(ctx context.Context, what string, repo Repo, workflow, branch string, head Repo) (Run, error) {
	return persist(ctx, c, what, func(ctx context.Context) (Run, error) {
		runs, _, err := c.api.Actions.ListWorkflowRunsByFileName(ctx, repo.Owner, repo.Name, workflow,
			&api.ListWorkflowRunsOptions{Branch: branch, Status: "success", ListOptions: api.ListOptions{PerPage: perPage}})
		if err != nil {
			return Run{}, err
		}
		for _, r := range runs.WorkflowRuns { // newest first
			if strings.EqualFold(r.GetHeadRepository().GetFullName(), head.String()) {
				return Run{ID: r.GetID(), Repo: repo, Branch: r.GetHeadBranch(), SHA: r.GetHeadSHA(), Created: r.GetCreatedAt().Time}, nil
			}
		}
		return Run{}, &Error{What: what, Err: ErrNotFound, Advice: "has the workflow finished? `--run ID` takes the artifacts of any run"}
	})
}

// Artifact asks for the artifact of a run with a name.
func (c *Client) Artifact(ctx context.Context, repo Repo, runID int64, name string) (Artifact, error) {
	what := fmt.Sprintf("artifact %s of run %d of %s", name, runID, repo)
	if err := c.NeedToken(what); err != nil {
		return Artifact{}, err
	}
	return persist(ctx, c, what, func(ctx context.Context) (Artifact, error) {
		list, _, err := c.api.Actions.ListWorkflowRunArtifacts(ctx, repo.Owner, repo.Name, runID, &api.ListOptions{PerPage: perPage})
		if err != nil {
			return Artifact{}, err
		}
		var names []string
		for _, a := range list.Artifacts {
			if names = append(names, a.GetName()); a.GetName() != name {
				continue
			}
			if a.GetExpired() {
				return Artifact{}, &Error{What: what, Err: ErrExpired, Advice: "run the workflow again"}
			}
			return Artifact{ID: a.GetID(), Repo: repo, RunID: runID, Name: name, Size: a.GetSizeInBytes(), Digest: digest(a.GetDigest())}, nil
		}
		return Artifact{}, &Error{What: what, Err: ErrNotFound, Advice: fmt.Sprintf("the run has %d artifacts: %.200s", len(names), strings.Join(names, ", "))}
	})
}

// ArtifactURL asks where the zip file of an artifact lies now. The link is good for about a minute, and for everybody.
func (c *Client) ArtifactURL(ctx context.Context, repo Repo, id int64) (string, error) {
	what := fmt.Sprintf("artifact %d of %s", id, repo)
	if err := c.NeedToken(what); err != nil {
		return "", err
	}
	return c.locate(ctx, what, fmt.Sprintf("repos/%s/actions/artifacts/%d/zip", repo, id))
}

// NeedToken is the error of a question that is in vain without a token; nil with one.
func (c *Client) NeedToken(what string) error {
	if c.token {
		return nil
	}
	return &Error{What: what, Err: ErrNeedsToken, Advice: adviceToken}
}
