package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The answers below have the fields of the real ones that anybody might look at, with their names and types.

type object = map[string]any

func (s *Server) oneRelease(w http.ResponseWriter, is func(release) bool) {
	for _, r := range s.releases {
		if is(r) {
			_ = json.NewEncoder(w).Encode(s.releaseJSON(r))
			return
		}
	}
	problem(w, http.StatusNotFound, "Not Found")
}

func (s *Server) releaseJSON(r release) object {
	assets := []object{}
	for _, a := range r.assets {
		var digest any
		if a.digest != "" {
			digest = a.digest
		}
		assets = append(assets, object{
			"url": fmt.Sprintf("%s/repos/%s/releases/assets/%d", s.API.URL, r.repo, a.id), "id": a.id, "node_id": "RA_kwDO", "name": a.name, "label": "",
			"uploader": object{"login": "github-actions[bot]", "id": 41898282, "type": "Bot"}, "content_type": "application/octet-stream",
			"state": a.state, "size": len(a.body), "digest": digest, "download_count": 7, "created_at": r.created, "updated_at": r.created,
			"browser_download_url": fmt.Sprintf("%s/%s/releases/download/%s/%s", s.API.URL, r.repo, r.tag, a.name),
		})
	}
	var published any = r.created
	if r.draft {
		published = nil
	}
	return object{
		"url": fmt.Sprintf("%s/repos/%s/releases/1", s.API.URL, r.repo), "html_url": fmt.Sprintf("https://github.com/%s/releases/tag/%s", r.repo, r.tag),
		"id": 1, "node_id": "RE_kwDO", "tag_name": r.tag, "target_commitish": "dev", "name": r.tag, "draft": r.draft, "immutable": false,
		"prerelease": r.prerelease, "created_at": r.created, "updated_at": r.created, "published_at": published, "assets": assets,
		"tarball_url": nil, "zipball_url": nil, "body": "",
	}
}

func (s *Server) listReleases(w http.ResponseWriter, r *http.Request, repo string) {
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
	page, size = max(page, 1), min(max(size, 1), 100)
	all := []object{}
	for _, one := range s.releases {
		if one.repo == repo {
			all = append(all, s.releaseJSON(one))
		}
	}
	from, end := min((page-1)*size, len(all)), min(page*size, len(all))
	if end < len(all) {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?per_page=%d&page=%d>; rel="next"`, s.API.URL, r.URL.Path, size, page+1))
	}
	_ = json.NewEncoder(w).Encode(all[from:end])
}

func (s *Server) onePull(w http.ResponseWriter, repo string, number int) {
	p, ok := s.pulls[fmt.Sprintf("%s#%d", repo, number)]
	if !ok {
		problem(w, http.StatusNotFound, "Not Found")
		return
	}
	var head any // null when the fork is gone
	if p.head != "" {
		head = object{"id": 2, "name": "stack-auth", "full_name": p.head, "fork": p.head != repo, "private": false}
	}
	_ = json.NewEncoder(w).Encode(object{
		"id": 3, "number": number, "state": "open", "title": "A change",
		"head": object{"label": "x:" + p.branch, "ref": p.branch, "sha": "6dcb09b5b57875f334f61aebed695e2e4193db5e", "repo": head},
		"base": object{"label": "stack-auth:dev", "ref": "dev", "repo": object{"id": 1, "full_name": repo}},
	})
}

func (s *Server) listRuns(w http.ResponseWriter, r *http.Request, repo, workflow string) {
	q := r.URL.Query()
	known, list := false, []object{}
	for _, one := range s.runs {
		if one.repo != repo || one.workflow != workflow {
			continue
		}
		known = true
		if q.Get("branch") != "" && one.branch != q.Get("branch") || q.Get("status") != "" && one.result != q.Get("status") {
			continue
		}
		list = append(list, object{
			"id": one.id, "name": "Build QEMU emulator", "head_branch": one.branch, "head_sha": "6dcb09b5b57875f334f61aebed695e2e4193db5e",
			"path": ".github/workflows/" + one.workflow, "event": "pull_request", "status": "completed", "conclusion": one.result, "run_attempt": 1,
			"created_at": time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC), "repository": object{"id": 1, "full_name": repo},
			"head_repository": object{"id": 2, "full_name": one.head},
		})
	}
	if !known {
		problem(w, http.StatusNotFound, "Not Found")
		return
	}
	_ = json.NewEncoder(w).Encode(object{"total_count": len(list), "workflow_runs": list})
}

func (s *Server) listArtifacts(w http.ResponseWriter, repo string, id int) {
	for _, one := range s.runs {
		if one.repo != repo || one.id != id {
			continue
		}
		list := []object{}
		for _, a := range one.artifacts {
			url := fmt.Sprintf("%s/repos/%s/actions/artifacts/%d", s.API.URL, repo, a.id)
			list = append(list, object{
				"id": a.id, "node_id": "MDg6", "name": a.name, "size_in_bytes": len(a.body), "url": url, "archive_download_url": url + "/zip",
				"expired": a.expired, "digest": Digest(a.body), "created_at": "2026-05-04T00:00:00Z", "expires_at": "2026-08-04T00:00:00Z",
				"updated_at": "2026-05-04T00:00:00Z", "workflow_run": object{"id": id, "repository_id": 1, "head_repository_id": 2, "head_branch": one.branch,
					"head_sha": "6dcb09b5b57875f334f61aebed695e2e4193db5e"},
			})
		}
		_ = json.NewEncoder(w).Encode(object{"total_count": len(list), "artifacts": list})
		return
	}
	problem(w, http.StatusNotFound, "Not Found")
}
