package containertest

import (
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// The states of a program (supervisor/states.py).
const (
	Stopped  = 0
	Starting = 10
	Running  = 20
	Stopping = 40
)

// The faults (supervisor/xmlrpc.py).
const (
	ShutdownState  = 6
	BadName        = 10
	AlreadyStarted = 60
	NotRunning     = 70
)

// Supervisord answers at a socket. Its programs are what OnStart and OnStop make of them; both may wait, and may be called at
// the same time. OnStart begins when an answer has been given.
type Supervisord struct {
	OnStart, OnStop func(program string)

	server   *http.Server
	lock     sync.Mutex
	states   map[string]int
	calls    []string
	fault    int // what every call is answered with
	starting sync.WaitGroup
}

// NewSupervisord makes one whose programs run. Listen makes it answer.
func NewSupervisord(programs ...string) *Supervisord {
	s := &Supervisord{OnStart: func(string) {}, OnStop: func(string) {}, states: map[string]int{}}
	for _, name := range programs {
		s.states[name] = Running
	}
	return s
}

// Listen makes it answer at the socket until Close, which comes at the end of the test if not before.
func (s *Supervisord) Listen(t *testing.T, socket string) {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var connections sync.WaitGroup // Close breaks them off, and does not wait for what they are in the middle of
	s.server = &http.Server{Handler: s, ConnState: func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			connections.Add(1)
		case http.StateClosed:
			connections.Done()
		}
	}}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.server.Serve(listener) // until Close
	}()
	t.Cleanup(func() {
		s.Close()
		<-served
		connections.Wait()
		s.starting.Wait()
	})
}

// Close is the end of the process: connections break off.
func (s *Supervisord) Close() { _ = s.server.Close() }

// Refuse answers every call from now on with a fault; 0 ends that.
func (s *Supervisord) Refuse(fault int) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.fault = fault
}

// Set puts a program into a state.
func (s *Supervisord) Set(program string, state int) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.states[program] = state
}

// State is a program's.
func (s *Supervisord) State(program string) int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.states[program]
}

// Calls are the calls about a program until now.
func (s *Supervisord) Calls(program string) []string {
	s.lock.Lock()
	defer s.lock.Unlock()
	var of []string
	for _, call := range s.calls {
		if method, name, _ := strings.Cut(call, " "); name == program {
			of = append(of, strings.TrimPrefix(method, "supervisor."))
		}
	}
	return of
}

func (s *Supervisord) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var call struct {
		Method string `xml:"methodName"`
		Name   string `xml:"params>param>value>string"`
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = xml.Unmarshal(body, &call)
	}
	if err != nil || r.URL.Path != "/RPC2" || r.Method != http.MethodPost {
		http.Error(w, fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	if value, fault := s.call(call.Method, call.Name); fault != 0 {
		fmt.Fprintf(w, `<?xml version='1.0'?><methodResponse><fault><value><struct><member><name>faultCode</name><value><int>%d</int></value></member>`+
			`<member><name>faultString</name><value><string>%s</string></value></member></struct></value></fault></methodResponse>`, fault, call.Name)
	} else {
		fmt.Fprintf(w, `<?xml version='1.0'?><methodResponse><params><param><value>%s</value></param></params></methodResponse>`, value)
	}
}

const yes = "<boolean>1</boolean>"

func (s *Supervisord) call(method, name string) (value string, fault int) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.calls = append(s.calls, method+" "+name)
	state, known := s.states[name]
	switch {
	case s.fault != 0:
		return "", s.fault
	case !known:
		return "", BadName
	}
	switch method {
	case "supervisor.stopProcess":
		return s.stop(name, state)
	case "supervisor.startProcess":
		return s.start(name, state)
	case "supervisor.getProcessInfo":
		return fmt.Sprintf("<struct><member><name>name</name><value><string>%s</string></value></member>"+
			"<member><name>state</name><value><int>%d</int></value></member></struct>", name, state), 0
	}
	return "", 1 // UNKNOWN_METHOD
}

// stop is stopProcess with wait=True. The lock is held, except while the program ends.
func (s *Supervisord) stop(name string, state int) (string, int) {
	if state != Running && state != Starting {
		return "", NotRunning
	}
	s.states[name] = Stopping
	s.lock.Unlock()
	s.OnStop(name)
	s.lock.Lock()
	s.states[name] = Stopped
	return yes, 0
}

// start is startProcess with wait=False. For a program that is being stopped it answers with a success, and does nothing, as
// the real one does.
func (s *Supervisord) start(name string, state int) (string, int) {
	switch state {
	case Running, Starting:
		return "", AlreadyStarted
	case Stopping:
		return yes, 0
	}
	s.states[name] = Running
	s.starting.Go(func() { s.OnStart(name) })
	return yes, 0
}
