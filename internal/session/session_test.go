package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = time.Minute

// ends are both ends of a session, in one process.
type ends struct {
	t     *testing.T
	keys  Keys
	conn  net.Conn   // ours
	guest chan error // what Serve returns
}

func begin(t *testing.T) *ends {
	t.Helper()
	keys, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	e := &ends{t: t, keys: keys, guest: make(chan error, 1)}
	a, err := Await()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	invited, err := ReadInvitation(bytes.NewReader(packed(a.Invite(keys.Guest()))))
	if err != nil {
		t.Fatal(err)
	}
	go func() { e.guest <- Serve(context.Background(), "127.0.0.1", invited) }()
	if e.conn, err = a.Conn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

// run runs a program to its end.
func (e *ends) run(p Program, s Streams) (Exit, error) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), patience)
	defer cancel()
	return Run(ctx, e.conn, e.keys, p, s)
}

// served waits for the end of the guest's end.
func (e *ends) served() error {
	select {
	case err := <-e.guest:
		return err
	case <-time.After(patience):
		e.t.Fatal("the guest's end goes on")
		return nil
	}
}

func sh(script string) Program { return Program{Path: "sh", Args: []string{"-c", script}} }

func TestProgram(t *testing.T) {
	for _, c := range []struct {
		program       Program
		in, out, err  string
		code, killed  int
		withoutStream bool
	}{
		{program: sh("echo out; echo err >&2; exit 7"), out: "out\n", err: "err\n", code: 7},
		{program: Program{Path: "/bin/cat"}, in: "a\x00b\nc", out: "a\x00b\nc"},
		{program: sh("cat; echo end"), withoutStream: true, out: "end\n"},
		{program: sh("kill -TERM $$"), killed: 15},
		{program: sh("exec 0<&-; echo closed"), in: strings.Repeat("x", 4<<20), out: "closed\n"},
		{program: Program{Path: "printf", Args: []string{"%s|", "a b", "", "*"}}, out: "a b||*|"},
		{program: sh("pwd"), out: "/\n"},
		{program: sh("test -t 0 || test -t 1 || echo none"), out: "none\n"},
	} {
		e := begin(t)
		var out, errs bytes.Buffer
		s := Streams{In: strings.NewReader(c.in), Out: &out, Err: &errs}
		if c.withoutStream {
			s.In = nil
		}
		exit, err := e.run(c.program, s)
		if err != nil || exit != (Exit{Code: c.code, Signal: c.killed}) && c.killed == 0 || exit.Signal != c.killed {
			t.Errorf("%v: ended with %+v, %v", c.program.Args, exit, err)
		}
		if out.String() != c.out || errs.String() != c.err {
			t.Errorf("%v: said %.80q and %.80q", c.program.Args, &out, &errs)
		}
		if err := e.served(); err != nil {
			t.Errorf("%v: the guest: %v", c.program.Args, err)
		}
	}
}

// Both directions at once, with more than anything on the way can hold.
func TestLargeStreams(t *testing.T) {
	e := begin(t)
	const size = 24 << 20
	in := io.LimitReader(&counter{}, size)
	var out sum
	exit, err := e.run(Program{Path: "cat"}, Streams{In: in, Out: &out, Err: io.Discard})
	if err != nil || exit != (Exit{}) || out.n != size || out.wrong {
		t.Errorf("%+v, %v: %d bytes, wrong: %v", exit, err, out.n, out.wrong)
	}
}

// counter gives bytes that tell where they are.
type counter struct{ n int }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c.n * 7 >> 3)
		c.n++
	}
	return len(p), nil
}

type sum struct {
	n     int
	wrong bool
}

func (s *sum) Write(p []byte) (int, error) {
	for _, b := range p {
		s.wrong = s.wrong || b != byte(s.n*7>>3)
		s.n++
	}
	return len(p), nil
}

func TestNoProgram(t *testing.T) {
	for _, path := range []string{"/no/such/program", "no-such-program"} {
		e := begin(t)
		if _, err := e.run(Program{Path: path}, Streams{Out: io.Discard, Err: io.Discard}); !errors.Is(err, ErrNoProgram) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	e := begin(t)
	if _, err := e.run(Program{Path: "/"}, Streams{Out: io.Discard, Err: io.Discard}); err == nil || errors.Is(err, ErrNoProgram) {
		t.Errorf("got %v", err)
	}
}

// console is what a user sees of a terminal, and types into it.
type console struct {
	t    *testing.T
	mu   sync.Mutex
	text string
	more chan struct{}
	in   *io.PipeReader
	keys *io.PipeWriter
}

func newConsole(t *testing.T) *console {
	c := &console{t: t, more: make(chan struct{}, 1)}
	c.in, c.keys = io.Pipe()
	t.Cleanup(func() { c.keys.Close() })
	return c
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.text += string(p)
	c.mu.Unlock()
	select {
	case c.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (c *console) types(keys string) { _, _ = io.WriteString(c.keys, keys) }

// until waits for a text, and forgets everything up to it.
func (c *console) until(text string) {
	c.t.Helper()
	late := time.After(patience)
	for {
		c.mu.Lock()
		_, rest, found := strings.Cut(c.text, text)
		if found {
			c.text = rest
		}
		all := c.text
		c.mu.Unlock()
		if found {
			return
		}
		select {
		case <-c.more:
		case <-late:
			c.t.Fatalf("no %q in %q", text, all)
		}
	}
}

func TestTerminal(t *testing.T) {
	e, c := begin(t), newConsole(t)
	sizes := make(chan Size)
	type ending struct {
		exit Exit
		err  error
	}
	ended := make(chan ending, 1)
	// No trap ends a read: shells do not agree on what comes of that.
	p := sh(`echo "$TERM $(stty size)"; read word; echo "<$word>"; until [ "$(stty size)" = "11 22" ]; do sleep 0.05; done; echo resized; ` +
		`cat >/dev/null; trap 'echo int; exit 3' INT; echo waits; while :; do sleep 0.05; done`)
	p.Terminal = &Terminal{"vt220", Size{Rows: 30, Cols: 100}}
	go func() {
		exit, err := e.run(p, Streams{In: c.in, Out: c, Err: io.Discard, Resized: sizes})
		ended <- ending{exit, err}
	}()
	c.until("vt220 30 100\r\n")
	c.types("hello\r")
	c.until("hello\r\n<hello>\r\n") // the echo, and the answer
	sizes <- Size{Rows: 11, Cols: 22}
	c.until("resized\r\n")
	c.types("\x04") // Ctrl-D
	c.until("waits\r\n")
	c.types("\x03") // Ctrl-C
	c.until("int\r\n")
	if got := <-ended; got.err != nil || got.exit != (Exit{Code: 3}) {
		t.Errorf("got %+v", got)
	}
}

// What stays on a terminal does not hold its session up. It goes on only when it does not care about hangups, as under nohup.
func TestTerminalIsLeft(t *testing.T) {
	e, c := begin(t), newConsole(t)
	file := filepath.Join(t.TempDir(), "pid")
	p := sh(`trap '' HUP; sleep 1000 & echo $! >` + file + `; echo gone`)
	p.Terminal = &Terminal{Type: "dumb"}
	exit, err := e.run(p, Streams{In: c.in, Out: c, Err: io.Discard})
	if err != nil || exit != (Exit{}) {
		_ = pprof.Lookup("goroutine").WriteTo(t.Output(), 1) // who waits for what
		t.Fatalf("got %+v, %v", exit, err)
	}
	c.until("gone\r\n")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("what was left: %v", err)
	}
}

func TestLoginShell(t *testing.T) {
	users := filepath.Join(t.TempDir(), "passwd")
	for text, want := range map[string]string{
		"": "/bin/sh",
		"daemon:x:1:1::/:/bin/false\nroot:x:0:0:root:/root:/bin/bash\n": "/bin/bash",
		"root:x:0:0:root:/root:\n":                                      "/bin/sh",
		"root:x:0\n":                                                    "/bin/sh",
	} {
		if err := os.WriteFile(users, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := loginShell(users); got != want {
			t.Errorf("%q: got %s", text, got)
		}
	}
	if got := loginShell(users + ".no"); got != "/bin/sh" {
		t.Errorf("got %s", got)
	}
}

// A lost connection leaves nothing of the program, whatever it does about signals.
func TestLostConnectionEndsTheProgram(t *testing.T) {
	for _, onTerminal := range []bool{false, true} {
		e, c := begin(t), newConsole(t)
		p := sh(`trap '' HUP TERM INT; (trap '' HUP; while :; do sleep 1000; done) & echo $$ $!; wait`)
		if onTerminal {
			p.Terminal = &Terminal{Type: "dumb"}
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := Run(ctx, e.conn, e.keys, p, Streams{In: c.in, Out: c, Err: c})
			ended <- err
		}()
		c.until("\n")
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		_ = e.served() // what it could not say
	}
}

// pids are the processes of a program that says their numbers.
func TestNothingIsLeft(t *testing.T) {
	e := begin(t)
	reading, writing := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	p := sh(`trap '' HUP; (trap '' HUP; exec sleep 1000) & echo $$ $!; wait`)
	go func() {
		_, err := Run(ctx, e.conn, e.keys, p, Streams{Out: writing, Err: io.Discard})
		ended <- err
	}()
	var leader, child int
	if _, err := fmt.Fscan(reading, &leader, &child); err != nil {
		t.Fatal(err)
	}
	cancel()
	reading.Close()
	<-ended
	_ = e.served()
	for _, pid := range []int{leader, child} {
		if !goesAway(pid) {
			t.Errorf("process %d goes on", pid)
		}
	}
}

// stopped is a writer that takes nothing.
type stopped struct{ release chan struct{} }

func (s stopped) Write(p []byte) (int, error) { <-s.release; return len(p), nil }

// Output that nobody takes waits in the guest; the session can be ended all the same.
func TestEndlessOutput(t *testing.T) {
	e := begin(t)
	out := stopped{make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := Run(ctx, e.conn, e.keys, Program{Path: "yes"}, Streams{Out: out, Err: io.Discard})
		ended <- err
	}()
	time.AfterFunc(50*time.Millisecond, cancel) // by then it is full, or it is not: both must end
	<-ctx.Done()
	close(out.release)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_ = e.served()
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestOurOutputFails(t *testing.T) {
	e := begin(t)
	_, err := e.run(sh("echo x; exec sleep 1000"), Streams{Out: broken{}, Err: io.Discard})
	if err == nil || err.Error() != "standard output: the disk is full" {
		t.Errorf("got %v", err)
	}
	_ = e.served()
}

func TestStrangers(t *testing.T) {
	a, err := Await()
	if err != nil {
		t.Fatal(err)
	}
	port := a.listener.Addr().String()
	for _, word := range []string{"", "GET / HTTP/1.1\r\n\r\n" + strings.Repeat("x", 100)} {
		c, err := net.Dial("tcp", port)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, word); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 * maxGuesses { // more than are listened to
		c, err := net.Dial("tcp", port)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, ErrNotCome)
	defer cancel()
	if _, err := a.Conn(ctx); !errors.Is(err, ErrNotCome) {
		t.Errorf("got %v", err)
	}
	if _, err := net.Dial("tcp", port); err == nil {
		t.Error("the port is still open")
	}
}

// Who has the token only is not let in, on either end.
func TestWrongKeys(t *testing.T) {
	for _, wrong := range []string{"host", "guest"} {
		e := begin(t)
		other, err := NewKeys()
		if err != nil {
			t.Fatal(err)
		}
		if wrong == "host" {
			e.keys.host = other.host
		} else {
			e.keys.own = other.own
		}
		if _, err := e.run(sh("exit 0"), Streams{Out: io.Discard, Err: io.Discard}); err == nil {
			t.Errorf("the wrong key of the %s is accepted", wrong)
		}
		if err := e.served(); err == nil {
			t.Errorf("the guest has not noticed the wrong key of the %s", wrong)
		}
	}
}

func TestInvitation(t *testing.T) {
	keys, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	good := Invitation{Port: 1, Token: make([]byte, tokenSize), Keys: keys.Guest()}
	if _, err := ReadInvitation(bytes.NewReader(packed(good))); err != nil {
		t.Errorf("got %v", err)
	}
	for name, spoil := range map[string]func(*Invitation){
		"no port": func(i *Invitation) { i.Port = 0 }, "a large port": func(i *Invitation) { i.Port = 1 << 16 },
		"a short token": func(i *Invitation) { i.Token = i.Token[1:] }, "no key": func(i *Invitation) { i.Keys.Own = nil },
		"a long key": func(i *Invitation) { i.Keys.Host = append(i.Keys.Host, 0) },
	} {
		bad := good
		spoil(&bad)
		if _, err := ReadInvitation(bytes.NewReader(packed(bad))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := ReadInvitation(strings.NewReader("secret")); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

// A guest may say anything: that is an error, within a time.
func FuzzGuest(f *testing.F) {
	keys, err := NewKeys()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "SSH-2.0-x\r\n", "SSH-2.0-x\r\n\xff\xff\xff\xff\x00", strings.Repeat("x", 1<<10), "SSH-2.0-x\r\n\x00\x00\x00\x0c\x0a\x14" + strings.Repeat("\x00", 16)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ours, theirs := net.Pipe()
		go func() {
			go io.Copy(io.Discard, theirs)
			theirs.Write(text)
			theirs.Close()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if exit, err := Run(ctx, ours, keys, sh("exit 0"), Streams{Out: io.Discard, Err: io.Discard}); err == nil || ctx.Err() != nil {
			t.Errorf("%q: %+v, %v", text, exit, err)
		}
	})
}

func connected(t *testing.T) (ours, theirs net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ours, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// A guest that knows the keys may do anything that the protocol has.
func FuzzGuestsWords(f *testing.F) {
	keys, err := NewKeys()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(requestExit, []byte(`{"code":7}`), true, "no")
	f.Add(requestExit, []byte(`{`), false, "")
	f.Add(requestResize, []byte(`{"rows":-1}`), true, "\x00\xff")
	f.Fuzz(func(t *testing.T, name string, payload []byte, accept bool, refusal string) {
		ours, theirs := connected(t) // a pipe without a buffer would not do: both ends speak first
		var all sync.WaitGroup
		defer all.Wait()
		all.Go(func() {
			defer theirs.Close()
			config, err := keys.Guest().serverConfig()
			if err != nil {
				t.Error(err)
				return
			}
			conn, channels, requests, err := ssh.NewServerConn(theirs, config)
			if err != nil {
				return
			}
			go ssh.DiscardRequests(requests)
			defer conn.Close()
			asked := <-channels
			if asked == nil {
				return
			}
			if !accept {
				asked.Reject(ssh.RejectionReason(len(refusal)), refusal)
				return
			}
			c, about, err := asked.Accept()
			if err != nil {
				return
			}
			go ssh.DiscardRequests(about)
			conn.OpenChannel(name, payload)
			conn.SendRequest(name, true, payload)
			c.SendRequest(name, true, payload)
			c.Stderr().Write(payload)
			c.Close()
		})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := Run(ctx, ours, keys, sh("exit 0"), Streams{Out: io.Discard, Err: io.Discard})
		if err == nil && (name != requestExit || !accept) || ctx.Err() != nil {
			t.Errorf("%q %q: %v", name, payload, err)
		}
	})
}
