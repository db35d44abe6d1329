package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/internal/rotate"
	"github.com/stackemu/stackemu/internal/view"
	"github.com/stackemu/stackemu/messages"
)

// superviseName is the hidden command that `start` runs in the background.
const superviseName = "supervise"

// handedOverFlag says that the command that has launched the supervisor has written its configuration to standard input.
const handedOverFlag = "handed-over"

// reportFD is where a supervisor talks to who has launched it.
const reportFD = 3

// maxSupervisorLog bounds supervisor.log, in bytes, and the one that was set aside.
const maxSupervisorLog = 4 << 20

func superviseCommand() *cli.Command {
	return &cli.Command{
		Name:      superviseName,
		Hidden:    true,
		Usage:     "run one instance in the background; `stackemu start` calls it",
		ArgsUsage: "NAME",
		Flags:     append(runFlags(), &cli.BoolFlag{Name: handedOverFlag, Usage: "read the configuration from standard input"}),
		Action: func(c *cli.Context) error {
			r := openReporter()
			err := supervise(c, r)
			r.say(lastWord(err))
			return err
		},
	}
}

func lastWord(err error) report {
	if err == nil {
		return report{}
	}
	var held *instance.HeldError
	return report{Held: errors.As(err, &held), Error: asData(err)}
}

// supervise is the background runner of one instance: what `up` is in the foreground.
func supervise(c *cli.Context, r reporter) error {
	name, err := oneName(c)
	if err != nil {
		return err
	}
	conf, err := wishes(c, name)
	if err != nil {
		return err
	}
	if conf, err = withPorts(c.Context, conf, name); err != nil {
		return err
	}
	m, err := newMember(name, conf)
	if err != nil {
		return err
	}
	if err := m.files.Create(); err != nil { // who is not launched by `start` may be the first
		return err
	}
	m.background, m.served = true, func() { r.say(report{Serving: true}) }
	signal.Ignore(syscall.SIGHUP) // a terminal's end is not ours
	out, err := rotate.Open(m.files.SupervisorLog, maxSupervisorLog, redirect)
	if err != nil {
		return err
	}
	defer out.Close()
	log, err := logger(c, out)
	if err != nil {
		return err
	}
	screen := view.New(out, false, true)
	defer screen.Close()
	h := newHost(conf, log, m)
	h.tree.Tell(&messages.StartInstance{Instance: name})
	run := newRunner(h.tree, screen)
	run.systemd = newNotifier()
	defer run.systemd.close()
	run.hint, run.signals = "stopping, because of a signal", []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	return errors.Join(run.run(h.happened), h.close())
}

// wishes is the configuration of the command that has launched this supervisor, or our own where somebody else has.
func wishes(c *cli.Context, name string) (config.Config, error) {
	if c.Bool(handedOverFlag) {
		return handedOver(os.Stdin)
	}
	return configFor(c, []string{name})
}

// reporter talks to the command that has launched this supervisor, as long as that is there.
type reporter struct{ out *os.File } // nil when nobody listens

func openReporter() reporter {
	syscall.CloseOnExec(reportFD) // not for QEMU
	out := os.NewFile(reportFD, "report")
	if info, err := out.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return reporter{}
	}
	return reporter{out}
}

func (r reporter) say(word report) {
	if r.out != nil {
		_ = json.NewEncoder(r.out).Encode(word)
	}
}
