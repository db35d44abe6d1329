package qemutest

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stackemu/stackemu/qemu"
)

// machine is a fake QEMU that runs.
type machine struct {
	script    Script
	args      []string
	events    *broadcast
	end       chan func()   // the first one sent ends the process
	ramSize   int           // bytes
	agentOpen chan struct{} // closed once the guest has opened the agent's port

	mu           sync.Mutex
	state        string        // run state
	runs         chan struct{} // closed while the guest runs
	autostart    bool          // the guest runs as soon as it is loaded
	capabilities map[string]bool
	migration    map[string]any    // the answer to query-migrate
	devices      map[string]string // what is plugged in: ids and ports
	tags         map[string]string // and the names by which the guest finds it
	unplugs      int               // requests so far
	forwards     map[string]net.Listener
	ram          []byte // mapped from its file; nil without one
	memory       memory // of the guest
	diskFile     *os.File
}

// newMachine returns a machine whose parts do not run yet.
func newMachine(s Script, argv []string) *machine {
	m := &machine{
		script: s, args: argv, events: newBroadcast(), end: make(chan func(), 1), runs: make(chan struct{}),
		capabilities: map[string]bool{}, migration: none, devices: map[string]string{}, tags: map[string]string{},
		forwards: map[string]net.Listener{}, agentOpen: make(chan struct{}),
	}
	m.setState(initialState(argv))
	return m
}

// play is the main function of the fake system emulator. It returns on a wrong command line only.
func play(s Script, argv []string) error {
	if slices.Contains(argv, "--version") {
		fmt.Printf("QEMU emulator version %s (fake)\nCopyright (c)\n", s.version())
		return nil
	}
	if s.Refuse != "" {
		return fmt.Errorf("%s", s.Refuse)
	}
	if has(argv, "-bios", "") {
		playProbe(s, argv)
	}
	m := newMachine(s, argv)
	if err := m.start(); err != nil {
		return err
	}
	(<-m.end)()
	return nil
}

// has reports whether a flag has a value that begins like that.
func has(argv []string, flag, prefix string) bool {
	for i := range len(argv) - 1 {
		if argv[i] == flag && strings.HasPrefix(argv[i+1], prefix) {
			return true
		}
	}
	return false
}

// playProbe runs the accelerator probe's firmware, so to speak.
func playProbe(s Script, argv []string) {
	accels := s.Accels
	if accels == nil {
		accels = []qemu.Accel{qemu.TCG}
	}
	for _, a := range accels {
		if !has(argv, "-accel", string(a)) {
			continue
		}
		if has(argv, "-device", "isa-debug-exit") {
			os.Exit(2*0x2a + 1)
		}
		fmt.Println("DONE")
		os.Exit(0)
	}
	time.Sleep(time.Hour)
}

// start starts everything that the script wants.
func (m *machine) start() error {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM) // before anything answers: whoever hears of us may send it
	for _, part := range []func() error{m.mapRAM, m.bootGuest, m.serveSockets, m.startForwards, m.openAgent} {
		if err := part(); err != nil {
			return err
		}
	}
	if g := m.script.Guest; g != nil && g.DiskFull != "" {
		go m.keepWriting()
	}
	if e := m.script.Exit; e != nil {
		time.AfterFunc(e.After, func() { m.finish(e.die) })
	}
	go func() {
		for range term {
			if !m.script.IgnoreTerm {
				m.shutdown(false, "host-signal")
			}
		}
	}()
	return nil
}

// die ends the process as the script has it.
func (e *Exit) die() {
	if e.Stderr != "" {
		fmt.Fprintln(os.Stderr, e.Stderr)
	}
	if e.Signal != 0 {
		// Go would turn most signals into a stack trace and exit code 2. A shell in our place dies of them.
		kill := fmt.Sprintf("ulimit -c 0; kill -%d $$", e.Signal)
		fatal(syscall.Exec("/bin/sh", []string{"sh", "-c", kill}, nil))
	}
	os.Exit(e.Code)
}

// finish ends the process, once.
func (m *machine) finish(how func()) {
	select {
	case m.end <- how:
	default:
	}
}

var socketArg = regexp.MustCompile(`^socket,id=([^,]+),fd=(\d+),`)

// serveSockets plays monitor, agent and tools on the inherited listeners.
func (m *machine) serveSockets() error {
	for _, a := range m.args {
		match := socketArg.FindStringSubmatch(a)
		if match == nil {
			continue
		}
		fd, err := strconv.Atoi(match[2])
		if err != nil {
			return err
		}
		l, err := net.FileListener(os.NewFile(uintptr(fd), match[1]))
		if err != nil {
			return fmt.Errorf("descriptor %d: %w", fd, err)
		}
		serve := map[string]func(net.Conn){qemu.AgentChardev: m.serveAgent, qemu.ToolsChardev: m.serveTools}[match[1]]
		if serve == nil {
			serve = m.serveMonitor
		}
		go accept(l, serve)
	}
	return nil
}

// accept serves one client after the other, as QEMU does.
func accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		serve(c)
		c.Close()
	}
}
