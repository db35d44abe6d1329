package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/stackemu/stackemu/internal/session"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/qemu"
)

// Supervisor is what a server lets others see and do. Its methods are called from many goroutines.
type Supervisor interface {
	Status(ctx context.Context) status.Status
	Actors() []status.Actor
	Events(ctx context.Context, after uint64) iter.Seq[status.Event]
	Logs() map[string]string // the paths of its logs, by the names of their sources
	Stop(kill bool)          // returns at once
	Exec(ctx context.Context, r ExecRequest) (ExecResult, error)
	Session(ctx context.Context, keys session.GuestKeys) (net.Conn, error) // a connection to the guest's end of a session
	Lease(kind LeaseKind) (id string, err error)
	Return(id string) (users int, stops bool) // may be called twice
}

// Server is a socket that is being served.
type Server struct {
	path       string
	supervisor Supervisor
	program    string
	http       *http.Server
	serving    sync.WaitGroup

	mu       sync.Mutex
	listener ownersOnly
	hidden   chan struct{} // closed by Hide

	sessions    context.Context // done when those that are open have to end
	endSessions context.CancelFunc
}

// Serve makes the socket at path and answers there, in the name of the program's version. Have the instance's lock: a socket
// that is there is a dead one, and is replaced. The path may be longer than a socket's address can be.
func Serve(path string, s Supervisor, program string) (*Server, error) {
	l, copied, err := qemu.Listen(path)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	_ = copied.Close() // it is for processes that inherit it
	return serve(path, ownersOnly{l, ours}, s, program), nil
}

func serve(path string, l ownersOnly, s Supervisor, program string) *Server {
	v := &Server{path: path, supervisor: s, program: program, listener: l, hidden: make(chan struct{})}
	v.sessions, v.endSessions = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", v.versioned(v.status))
	mux.HandleFunc("GET /v1/actors", v.versioned(v.actors))
	mux.HandleFunc("GET /v1/events", v.versioned(v.events))
	mux.HandleFunc("GET /v1/logs", v.versioned(v.logs))
	mux.HandleFunc("POST /v1/exec", v.versioned(v.exec))
	mux.HandleFunc("POST /v1/session", v.versioned(v.session))
	mux.HandleFunc("GET /v1/lease", v.versioned(v.lease))
	mux.HandleFunc("POST /v1/return", v.versioned(v.giveBack))
	mux.HandleFunc("POST /v1/stop", v.introduced(v.stop))
	mux.HandleFunc("/", v.versioned(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, &Error{Code: CodeRequest, Message: fmt.Sprintf("there is no %s %s", r.Method, r.URL.Path)})
	}))
	v.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	v.serveAt(l)
	v.serving.Go(v.keep)
	return v
}

// Hide removes the socket: whoever dials from now on finds nobody. Who is connected stays so.
func (v *Server) Hide() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	select {
	case <-v.hidden:
		return nil
	default:
	}
	close(v.hidden)
	err := os.Remove(v.path)
	_ = v.listener.Close()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("control: %w", err)
	}
	return nil
}

// Close ends the server. It waits until everybody has been answered, or until ctx is done. Sessions are cut off.
func (v *Server) Close(ctx context.Context) error {
	err := v.Hide()
	v.endSessions()
	if v.http.Shutdown(ctx) != nil {
		_ = v.http.Close()
	}
	v.serving.Wait()
	return err
}

// introduced says in every answer who answers.
func (v *Server) introduced(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(versionHeader, strconv.Itoa(Version))
		w.Header().Set(programHeader, v.program)
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		h(w, r)
	}
}

// versioned refuses who speaks another version.
func (v *Server) versioned(h http.HandlerFunc) http.HandlerFunc {
	return v.introduced(func(w http.ResponseWriter, r *http.Request) {
		if theirs := r.Header.Get(versionHeader); theirs != strconv.Itoa(Version) {
			refuse(w, http.StatusPreconditionFailed, &Error{Code: CodeVersion,
				Message: fmt.Sprintf("this supervisor speaks version %d of the control protocol, and was asked in version %q", Version, theirs)})
			return
		}
		h(w, r)
	})
}

func (v *Server) status(w http.ResponseWriter, r *http.Request) {
	answer(w, v.supervisor.Status(r.Context()))
}

func (v *Server) actors(w http.ResponseWriter, _ *http.Request) {
	answer(w, v.supervisor.Actors())
}

func (v *Server) events(w http.ResponseWriter, r *http.Request) {
	after := uint64(0)
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			refuse(w, http.StatusBadRequest, &Error{Code: CodeRequest, Message: fmt.Sprintf("after=%q: want a number", text)})
			return
		}
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	flusher := http.NewResponseController(w)
	_ = flusher.Flush() // the reader learns now that it is connected
	lines := json.NewEncoder(w)
	for e := range v.supervisor.Events(r.Context(), after) {
		if lines.Encode(e) != nil || flusher.Flush() != nil {
			return // nobody listens any more
		}
	}
}

func (v *Server) stop(w http.ResponseWriter, r *http.Request) {
	var request stopRequest
	if err := decode(r.Body, &request); err != nil {
		refuse(w, http.StatusBadRequest, &Error{Code: CodeRequest, Message: err.Error()})
		return
	}
	v.supervisor.Stop(request.Kill)
	answer(w, struct{}{})
}

func (v *Server) exec(w http.ResponseWriter, r *http.Request) {
	var request ExecRequest
	if err := errors.Join(decode(r.Body, &request), request.check()); err != nil {
		refuse(w, http.StatusBadRequest, &Error{Code: CodeRequest, Message: err.Error()})
		return
	}
	result, err := v.supervisor.Exec(r.Context(), request)
	if err != nil {
		refuseFor(w, err)
		return
	}
	answer(w, result)
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

// refuseFor tells what the supervisor could not do.
func refuseFor(w http.ResponseWriter, err error) {
	var known *Error
	if errors.As(err, &known) {
		refuse(w, http.StatusConflict, known)
		return
	}
	refuse(w, http.StatusInternalServerError, &Error{Code: CodeInternal, Message: err.Error()})
}

func refuse(w http.ResponseWriter, code int, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(e)
}
