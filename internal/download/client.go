package download

import (
	"errors"
	"fmt"
	"net/http"
)

// maxRedirects is what a chain of redirects may have: GitHub's has two.
const maxRedirects = 10

var errRedirects = errors.New("too many redirects")

// NewClient returns the client that files are fetched with. It talks HTTP/1.1 only: with HTTP/2 all ranges would share one
// connection, and it is per connection that servers are slow.
func NewClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	transport.MaxIdleConnsPerHost = 2 * defaultConnections
	transport.ReadBufferSize = 128 << 10
	return &http.Client{Transport: transport, CheckRedirect: CheckRedirect}
}

// CheckRedirect is the rule for redirects: a few, and none from https to http.
func CheckRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return errRedirects
	}
	if last := via[len(via)-1]; last.URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("%w: %s leads to %s without encryption", errRedirects, last.URL.Host, req.URL.Host)
	}
	return nil
}
