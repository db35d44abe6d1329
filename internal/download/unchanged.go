package download

import (
	"context"
	"net/http"
)

// Unchanged says whether a server still has the file that it once gave with an ETag. One that cannot be asked, or does not say, may have
// another one. Of the options Client and Stall count.
func (o Options) Unchanged(ctx context.Context, link, etag string) bool {
	o = o.complete()
	ctx, cancel := context.WithTimeout(ctx, o.Stall)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil) // a link that is signed is good for GET alone
	if err != nil || strongETag(etag) == "" {
		return false
	}
	req.Header.Set("If-None-Match", etag)
	req.Header.Set("Range", "bytes=0-0") // a server that does not know the other header has to send no more
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "stackemu")
	r, err := o.Client.Do(req)
	if err != nil {
		return false
	}
	defer o.Client.CloseIdleConnections()
	defer r.Body.Close()
	switch r.StatusCode {
	case http.StatusNotModified:
		return true
	case http.StatusOK, http.StatusPartialContent:
		return r.Header.Get("ETag") == etag
	}
	return false
}
