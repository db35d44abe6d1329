package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/home"
)

// report is what a supervisor in the background says to the command that has launched it, as one line of JSON: first whether
// it serves, and in the end how it has ended.
type report struct {
	Serving bool           `json:"serving"`         // it has the instance, and its socket is there
	Held    bool           `json:"held,omitempty"`  // another process has the instance
	Error   *control.Error `json:"error,omitempty"` // why it is not serving, or not any more; nil after a stop
}

// launched is a supervisor that this process has launched, as long as this process wants to hear of it.
type launched struct {
	pipe  *os.File
	lines *bufio.Reader
}

// launch starts a supervisor for an instance. It has a session of its own, so that neither a Ctrl-C nor the end of the
// terminal reaches it, and holds nothing of ours open.
func launch(c *cli.Context, conf config.Config, files home.Instance) (*launched, error) {
	if err := files.Create(); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(files.SupervisorLog, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	wishes, err := handOver(conf, files)
	if err != nil {
		return nil, err
	}
	defer wishes.Close()
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command(self, superviseArgs(c, files.Name)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = wishes, log, log
	cmd.ExtraFiles = []*os.File{theirs} // reportFD there
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, err
	}
	_ = cmd.Process.Release() // it is nobody's child any more, once we have ended
	return &launched{ours, bufio.NewReader(ours)}, nil
}

// errNoWord says that a supervisor has ended without saying why: it was killed.
var errNoWord = errors.New("its supervisor ended without a word")

// next waits for the supervisor's next word.
func (l *launched) next() (r report, err error) {
	line, err := l.lines.ReadBytes('\n')
	if err != nil {
		return r, errNoWord
	}
	return r, json.Unmarshal(line, &r)
}

func (l *launched) close() { _ = l.pipe.Close() }

// handOver writes a configuration where the supervisor reads it, and nobody else: in a file without a name. So the supervisor wants
// what this command wants, whatever becomes of variables and files meanwhile.
func handOver(conf config.Config, files home.Instance) (*os.File, error) {
	f, err := os.CreateTemp(files.Dir, ".config-*")
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.Remove(f.Name()), json.NewEncoder(f).Encode(conf))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// handedOver is the configuration that the launching command has written.
func handedOver(in io.Reader) (conf config.Config, err error) {
	if err := json.NewDecoder(in).Decode(&conf); err != nil {
		return conf, fmt.Errorf("the configuration of who has launched this supervisor: %w", err)
	}
	return conf, nil
}

// superviseArgs is the command line of a supervisor.
func superviseArgs(c *cli.Context, name string) []string {
	return []string{"--log-level", c.String("log-level"), "--log-format", c.String("log-format"), superviseName, "--" + handedOverFlag, "--", name}
}
