// Package toolport answers the host at a virtio-serial port, in a process that is there all the time.
//
// A guest that has just been resumed under an emulated CPU has none of its code translated. The start of a process, with all that
// its packages set up, takes a third of a second then, which a process that waits already spares.
//
// The port outlives its users. A host that comes finds in it what the one before it has not read, and the guest the beginning of a
// call that was cut off: so calls have ids, a host's first byte is a line break, and what is not a call is passed over.
package toolport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/stackemu/stackemu/internal/guestapi"
)

// Name is that of the port, as the host's layout has it (qemu.ToolsPort).
const Name = "dev.stackemu.tools.0"

// ErrNoPort is the error of a machine without the port.
var ErrNoPort = errors.New("toolport: the machine has no port " + Name)

// Open opens the port, which sys (/sys/class/virtio-ports) knows by its name, and dev has as a device.
func Open(sys, dev string) (*os.File, error) {
	names, err := filepath.Glob(filepath.Join(sys, "*", "name"))
	if err != nil {
		return nil, err
	}
	for _, file := range names {
		if name, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(name)) == Name {
			return os.OpenFile(filepath.Join(dev, filepath.Base(filepath.Dir(file))), os.O_RDWR, 0)
		}
	}
	return nil, ErrNoPort
}

// Serve answers one call after the other until the port fails.
func Serve(file *os.File, handle func(guestapi.Request) guestapi.Result) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	rehearse()
	for p := (&port{file: file, raw: raw}); ; {
		line, err := p.line()
		if err != nil {
			return fmt.Errorf("toolport: %w", err)
		}
		var call guestapi.Call
		if json.Unmarshal(line, &call) != nil || call.ID == "" || call.Request == nil {
			continue
		}
		if err := p.reply(guestapi.Reply{ID: call.ID}); err != nil {
			return fmt.Errorf("toolport: %w", err)
		}
		result := handle(*call.Request)
		if err := p.reply(guestapi.Reply{ID: call.ID, Result: &result}); err != nil {
			return fmt.Errorf("toolport: %w", err)
		}
	}
}

// rehearse has the encoder learn the types of calls and replies now, and not when somebody waits.
func rehearse() {
	var call guestapi.Call
	_ = json.Unmarshal([]byte(`{"id":"-","request":{}}`), &call)
	_, _ = json.Marshal(guestapi.Reply{ID: call.ID, Result: &guestapi.Result{Steps: []guestapi.Step{{}}}})
}

type port struct {
	file *os.File
	raw  syscall.RawConn
	rest []byte // what has been read of the next lines
}

// line is the next line. What is longer than a call can be is forgotten.
func (p *port) line() ([]byte, error) {
	buffer := make([]byte, 16<<10)
	for {
		if line, rest, ended := bytes.Cut(p.rest, []byte("\n")); ended {
			p.rest = rest
			return line, nil
		}
		if len(p.rest) > guestapi.MaxLine {
			p.rest = nil
		}
		n, err := p.read(buffer)
		if err != nil {
			return nil, err
		}
		p.rest = append(p.rest, buffer[:n]...)
	}
}

// read waits for bytes. A port whose host is gone reads as if it had ended, at once and again and again, and wakes up who waits for it
// when there is a host again: so this waits for a change, and not for bytes.
func (p *port) read(buffer []byte) (n int, err error) {
	waited := p.raw.Read(func(fd uintptr) (done bool) {
		n, err = unix.Read(int(fd), buffer)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), err == nil && n == 0:
			n, err = 0, nil
			return false
		}
		return true
	})
	return max(n, 0), errors.Join(waited, err)
}

func (p *port) reply(r guestapi.Reply) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = p.file.Write(append(text, '\n'))
	return err
}
