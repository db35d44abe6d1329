package qemutest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/stackemu/stackemu/qemu"
)

// Serve plays the agent on a connection until it ends. poweroff is called when it is told to switch the guest off; it may
// be nil.
func (a Agent) Serve(c net.Conn, poweroff func()) {
	always := make(chan struct{})
	close(always)
	a.serve(&agentTalk{Agent: a, conn: c, poweroff: poweroff, awake: func() <-chan struct{} { return always }})
}

// serve is the conversation. A paused guest reads what was sent when it goes on.
func (a Agent) serve(talk *agentTalk) {
	talk.running = map[int]process{}
	for r := bufio.NewReader(talk.conn); ; {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		<-talk.awake()
		if !a.Mute {
			talk.handle(line)
		}
	}
}

// serveAgent plays the agent for the machine. Before the guest has opened the port, what is sent waits in the socket.
func (m *machine) serveAgent(c net.Conn) {
	<-m.agentOpen // without an agent: for ever
	a := *m.script.Agent
	a.serve(&agentTalk{Agent: a, conn: c, program: m.runProgram,
		poweroff: func() { m.shutdown(true, "guest-shutdown") }, awake: m.running})
}

// openAgent opens the agent's port when its time has come: that of a guest that is resumed is open, as soon as it runs.
func (m *machine) openAgent() error {
	a := m.script.Agent
	if a == nil {
		return nil
	}
	open := func() {
		close(m.agentOpen)
		m.events.send("VSERPORT_CHANGE", map[string]any{"id": qemu.AgentDevice, "open": true})
	}
	if !m.resumed() {
		time.AfterFunc(a.After, open)
		return nil
	}
	running := m.running()
	go func() {
		<-running
		open()
	}()
	return nil
}

// began is when this process has started.
var began = time.Now()

// agentTalk is the state of one conversation.
type agentTalk struct {
	Agent
	conn     net.Conn
	running  map[int]process
	poweroff func()
	awake    func() <-chan struct{} // closed while the guest runs
	program  func(path string, args []string, input []byte) (Exec, bool)
}

// process is a program in the guest.
type process struct {
	exec Exec
	out  []byte
	ends time.Time
	work chan struct{} // closed when its work is done; nil without any
}

func (p process) works() bool {
	if p.work == nil {
		return false
	}
	select {
	case <-p.work:
		return false
	default:
		return true
	}
}

// agentRequest is a command with the arguments of all those that are played.
type agentRequest struct {
	Execute   string `json:"execute"`
	Arguments struct {
		ID    int64    `json:"id"`
		Path  string   `json:"path"`
		Arg   []string `json:"arg"`
		Input []byte   `json:"input-data"`
		PID   int      `json:"pid"`
	} `json:"arguments"`
}

// handle answers one line. A sentinel resets the parser: what was before it is forgotten.
func (a *agentTalk) handle(line []byte) {
	for i, b := range line {
		if b == 0xff {
			a.handle(line[i+1:])
			return
		}
	}
	time.Sleep(a.Delay)
	var r agentRequest
	if err := json.Unmarshal(line, &r); err != nil {
		a.refuse("GenericError", "JSON parse error")
		return
	}
	if refusal, ok := a.Errors[r.Execute]; ok {
		a.refuse(refusal.Class, refusal.Desc)
		return
	}
	switch r.Execute {
	case "guest-sync-delimited":
		fmt.Fprintf(a.conn, "\xff{\"return\": %d}\n", r.Arguments.ID)
	case "guest-ping", "guest-set-time":
		a.answer(map[string]any{})
	case "guest-exec":
		a.exec(r)
	case "guest-exec-status":
		a.status(r.Arguments.PID)
	case "guest-shutdown":
		if !a.IgnoreShutdown && a.poweroff != nil {
			time.AfterFunc(a.ShutdownTakes, a.poweroff)
		}
	default:
		a.refuse("CommandNotFound", fmt.Sprintf("The command %s has not been found", r.Execute))
	}
}

// exec starts a program.
func (a *agentTalk) exec(r agentRequest) {
	path := r.Arguments.Path
	e, ok := a.Execs[strings.Join(append([]string{path}, r.Arguments.Arg...), " ")]
	if !ok {
		e, ok = a.Execs[path]
	}
	if !ok && a.program != nil {
		e, ok = a.program(path, r.Arguments.Arg, r.Arguments.Input)
	}
	if !ok {
		a.refuse("GenericError", fmt.Sprintf(
			"Guest agent command failed, error was 'Failed to execute child process “%s” (No such file or directory)'", path))
		return
	}
	if e.InputTo != "" {
		if err := os.WriteFile(e.InputTo, r.Arguments.Input, 0o600); err != nil {
			panic(err)
		}
	}
	p := process{exec: e, out: []byte(e.Stdout), ends: time.Now().Add(e.Takes)}
	if e.work != nil {
		p.work = make(chan struct{})
		go func() {
			defer close(p.work)
			e.work()
		}()
	}
	if e.Echo {
		p.out = r.Arguments.Input
	}
	pid := 1000 + len(a.running)
	a.running[pid] = p
	a.answer(map[string]int{"pid": pid})
}

// status tells how a program is; its end it tells once.
func (a *agentTalk) status(pid int) {
	p, ok := a.running[pid]
	switch {
	case !ok || p.ends.IsZero():
		a.refuse("GenericError", fmt.Sprintf("PID %d does not exist", pid))
	case time.Now().Before(p.ends), p.works():
		a.answer(map[string]any{"exited": false})
	default:
		a.running[pid] = process{}
		result := map[string]any{"exited": true, "exitcode": p.exec.ExitCode}
		if len(p.out) > 0 {
			result["out-data"] = p.out
		}
		if p.exec.Stderr != "" {
			result["err-data"] = []byte(p.exec.Stderr)
		}
		a.answer(result)
	}
}

func (a *agentTalk) answer(value any) { a.write(map[string]any{"return": value}) }

func (a *agentTalk) refuse(class, desc string) {
	a.write(map[string]any{"error": map[string]string{"class": class, "desc": desc}})
}

func (a *agentTalk) write(message any) {
	line, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	_, _ = a.conn.Write(append(line, '\n')) // a client that is gone shows in the reading
}
