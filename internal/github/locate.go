package github

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	api "github.com/google/go-github/v75/github"
)

// locate asks for a file, and returns the link that the API answers with. It follows none: the token has no business there.
func (c *Client) locate(ctx context.Context, what, path string) (string, error) {
	return persist(ctx, c, what, func(ctx context.Context) (string, error) {
		req, err := c.api.NewRequest(http.MethodGet, path, nil)
		if err != nil {
			return "", err
		}
		req.Header.Set("Accept", "application/octet-stream")
		r, err := c.direct.RoundTrip(req.WithContext(ctx))
		if err != nil {
			return "", err
		}
		defer r.Body.Close()
		switch r.StatusCode {
		case http.StatusFound, http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect, http.StatusSeeOther:
			link, err := r.Location()
			if err != nil || link.Scheme != "https" && (link.Scheme != "http" || req.URL.Scheme != "http") {
				return "", &Error{What: what, Err: fmt.Errorf("the API leads to %.100q", r.Header.Get("Location"))}
			}
			return link.String(), nil
		}
		if err := api.CheckResponse(r); err != nil {
			return "", err
		}
		return "", &Error{What: what, Status: r.StatusCode, Err: fmt.Errorf("the API answers %s, and no link", r.Status)}
	})
}

// digest is a SHA-256 that can be checked, or "".
func digest(s string) string {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "sha256:"))
	if err != nil || len(b) != 32 || !strings.HasPrefix(s, "sha256:") {
		return ""
	}
	return strings.ToLower(s)
}
