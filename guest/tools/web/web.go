// Package web is what the stack's own small servers have in common: how they listen and end, and whom they answer.
package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// stopGrace is how long requests may go on when the server is told to stop. It is shorter than supervisord's stopwaitsecs.
const stopGrace = 2 * time.Second

// Serve answers at address until ctx ends. The contexts of requests end with it, so that those without an end of their own
// do not hold up the stop.
func Serve(ctx context.Context, address string, handler http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return ServeOn(ctx, listener, handler)
}

// ServeOn is [Serve] at a listener, which it closes.
func ServeOn(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           Local(handler),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		err = errors.Join(err, server.Close())
		<-served
		return fmt.Errorf("stop: %w", err)
	}
	<-served
	return nil
}

// Local refuses what a web page from elsewhere may have made a browser of this machine ask: a request for a foreign host's
// name, which leads here by a trick with DNS, and a request that a foreign page has sent. The ports are bound on the
// loopback only, but a browser is on the inside.
func Local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localHost(r.Host) || !localOrigin(r.Header.Get("Origin")) {
			http.Error(w, "Only programs and pages of this machine are answered.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// localHost says whether a Host header names this machine, as a container on it may do by Docker's name. An address cannot be
// given to another by DNS, so any is good, and nobody on the Internet can own a name below "internal".
func localHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	name = strings.ToLower(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || name == "host.docker.internal"
}

// localOrigin says whether a page of this machine has sent a request, or no page at all.
func localOrigin(origin string) bool {
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	if address, err := netip.ParseAddr(u.Hostname()); err == nil {
		return address.IsLoopback()
	}
	return localHost(u.Host)
}
