package ui

import (
	"crypto/subtle"
	"net"
	"net/http"
	"slices"
)

// policy is what a browser may do with what this server sends.
var policy = map[string]string{
	"Content-Security-Policy":      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-store",
}

// guarded refuses who calls this server by a name that is not its own, and the scripts and forms of other pages.
func (s *Server) guarded(next http.Handler) http.Handler {
	_, port, _ := net.SplitHostPort(s.address)
	hosts := []string{"127.0.0.1:" + port, "localhost:" + port}
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range policy {
			w.Header().Set(name, value)
		}
		origin := r.Header.Get("Origin")
		switch {
		case !slices.Contains(hosts, r.Host):
			refuse(w, http.StatusMisdirectedRequest, "host", "this server is 127.0.0.1:"+port+" and nothing else")
		case origin != "" && origin != "http://"+r.Host, crossOrigin.Check(r) != nil:
			refuse(w, http.StatusForbidden, "origin", "the request comes from another page")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// authorized refuses who does not have the token.
func (s *Server) authorized(next http.HandlerFunc) http.HandlerFunc {
	want := []byte("Bearer " + s.token)
	return func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			refuse(w, http.StatusUnauthorized, "token", "this needs the link that stackemu has printed")
			return
		}
		next(w, r)
	}
}
