package ui

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/status"
)

// Options say what a server shows and does.
type Options struct {
	Home    home.Home
	Port    int // 0 for any that is free
	Inspect func(ctx context.Context, name string) (status.Status, error)
	Act     func(name string, action Action) error // returns when it is done; several may be called at once
}

// Server is a page that is being served.
type Server struct {
	o       Options
	token   string
	address string
	http    *http.Server
	ctx     context.Context // ends with the server
	end     context.CancelFunc
	served  chan struct{}

	mu    sync.Mutex
	doing map[string]Action // what is being done to an instance
}

// Serve begins to serve the page.
func Serve(o Options) (*Server, error) {
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", o.Port))
	if err != nil {
		return nil, fmt.Errorf("ui: %w", err)
	}
	s := &Server{o: o, token: rand.Text(), address: l.Addr().String(), served: make(chan struct{}), doing: map[string]Action{}}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.http = &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return s.ctx }}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(l) // ends with Close
	}()
	return s, nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for path, f := range pageFiles() {
		mux.Handle("GET "+path, f)
	}
	mux.HandleFunc("GET /api/live", s.authorized(s.live))
	mux.HandleFunc("POST /api/instances/{name}/{action}", s.authorized(s.act))
	return s.guarded(mux)
}

// URL is the address of the page with the token in it, which no browser sends anywhere: it is behind the #. An instance may be
// named that the page is to show first.
func (s *Server) URL(instance string) string {
	fragment := url.Values{"token": {s.token}}
	if instance != "" {
		fragment.Set("instance", instance)
	}
	return "http://" + s.address + "/#" + fragment.Encode()
}

// Close ends all conversations. What is being done to instances goes on.
func (s *Server) Close() error {
	s.end()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) { // a stop that somebody waits for
		err = s.http.Close()
	}
	<-s.served
	return err
}
