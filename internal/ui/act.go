package ui

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/stackemu/stackemu/internal/control"
)

// Action is what the page can do to an instance: what the command of that name does.
type Action string

// The actions. A reset stops the instance first.
const (
	Start   Action = "start"
	Stop    Action = "stop"
	Restart Action = "restart"
	Reset   Action = "reset"
)

var actions = []Action{Start, Stop, Restart, Reset}

// act answers when the action is done. It goes on when nobody waits for it any more.
func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	name, action := r.PathValue("name"), Action(r.PathValue("action"))
	if _, err := s.o.Home.Instance(name); err != nil || !slices.Contains(actions, action) {
		refuse(w, http.StatusNotFound, control.CodeRequest, "there is no such thing to do")
		return
	}
	if was := s.begin(name, action); was != "" {
		refuse(w, http.StatusConflict, "busy", fmt.Sprintf("%s: a %s is going on", name, was))
		return
	}
	err := s.o.Act(name, action)
	s.done(name)
	var known *control.Error
	switch {
	case err == nil:
		answer(w, struct{}{})
	case errors.As(err, &known):
		refuse(w, http.StatusBadGateway, known.Code, known.Message)
	default:
		refuse(w, http.StatusBadGateway, "failed", err.Error())
	}
}

// begin notes what is being done to an instance. It returns what was already, which goes on instead.
func (s *Server) begin(name string, action Action) (was Action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was = s.doing[name]; was == "" {
		s.doing[name] = action
	}
	return was
}

func (s *Server) done(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.doing, name)
}

func (s *Server) doingTo(name string) Action {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doing[name]
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(control.Error{Code: code, Message: message})
}
