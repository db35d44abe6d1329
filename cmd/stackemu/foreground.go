package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/actors"
	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/internal/view"
	"github.com/stackemu/stackemu/messages"
)

// job is what a process is to run in the foreground.
type job struct {
	conf     config.Config
	members  []*member           // instances that others can talk to
	consoles []home.Instance     // whose guests' consoles to follow
	starts   []messages.Fleet    // what to tell the tree
	again    func() (job, error) // the same once more, for a restart; nil where that makes no sense
	seen     func(status.Event)  // what happens; may be nil
	out      *os.File            // where it is shown; nil for standard output
}

// foreground tells a tree what to start, shows what happens, and passes Ctrl-C on, until no instance is left. On a terminal it
// listens to keys meanwhile.
func foreground(c *cli.Context, j job) error {
	out := cmp.Or(j.out, os.Stdout)
	terminal, noColor := view.Detect(out, os.LookupEnv)
	screen := view.New(out, terminal, noColor)
	defer screen.Close()
	var logs io.Writer = os.Stderr
	if terminal {
		logs = screen // the block would be torn by another writer
	}
	log, err := logger(c, logs)
	if err != nil {
		return err
	}
	var keys <-chan rune
	if terminal && j.again != nil {
		if k, ok := openKeyboard(os.Stdin, screen); ok {
			defer k.close()
			screen.Panel(panelKeys)
			keys = k.keys
		}
	}
	for {
		again, err := j.run(log, screen, keys)
		if err != nil || !again {
			return err
		}
		if j, err = j.again(); err != nil {
			return err
		}
	}
}

// run runs it once. again says that the user wants it anew.
func (j job) run(log zerolog.Logger, screen *view.View, keys <-chan rune) (again bool, err error) {
	h := newHost(j.conf, log, j.members...)
	for _, files := range j.consoles {
		screen.Follow(files.Name, view.NewTail(files.SerialLog, time.Now()).LastLines)
	}
	if keys != nil {
		defer watchMemory(j.members, screen)()
	}
	for _, start := range j.starts {
		h.tree.Tell(start)
	}
	r := newRunner(h.tree, screen)
	r.keys, r.members, r.seen = keys, j.members, j.seen
	err = r.run(h.happened)
	return r.again, errors.Join(err, h.close())
}

// runner is one run of a tree, from the start of its instances to the last word of the last of them.
type runner struct {
	tree    *actors.Tree
	screen  *view.View
	teller  *teller
	hint    string // what the first signal is answered with
	signals []os.Signal
	keys    <-chan rune // nil where nobody presses any
	members []*member
	seen    func(status.Event)
	systemd *notifier // nil for nobody
	stopped time.Time // when the stop was asked for
	again   bool      // and a start after that
	forced  bool
	outcome error
}

func newRunner(tree *actors.Tree, screen *view.View) *runner {
	return &runner{tree: tree, screen: screen, teller: newTeller(screen), hint: "stopping; press Ctrl-C again to not wait for the guest",
		signals: []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}}
}

// bounce is the time within which a second signal is the echo of the first: npm and shells pass on a Ctrl-C that the
// terminal has sent to everybody already.
const bounce = 100 * time.Millisecond

func (r *runner) run(happened <-chan messages.Observer) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, r.signals...)
	defer signal.Stop(signals)
	for {
		select {
		case <-signals:
			r.stop()
		case key := <-r.keys:
			r.pressed(key)
		case <-r.systemd.beat():
			r.systemd.say(daemon.SdNotifyWatchdog)
		case m := <-happened:
			if _, last := m.(*messages.FleetIdle); last {
				return r.outcome
			}
			r.show(m)
		}
	}
}

func (r *runner) stop() {
	switch {
	case r.stopped.IsZero(), r.again:
		r.stopped, r.again = time.Now(), false
		r.screen.Line(view.Info, r.hint)
		r.tree.Tell(&messages.StopInstances{})
	case time.Since(r.stopped) > bounce:
		r.forced = true
		r.tree.Tell(&messages.StopInstances{Kill: true})
	}
}

func (r *runner) show(m messages.Observer) {
	if instance, e, ok := eventOf(m); ok {
		r.teller.tell(instance, e)
		r.systemd.tell(e)
		if r.seen != nil {
			r.seen(e)
		}
	}
	if ended, ok := m.(*messages.InstanceEnded); ok {
		r.ended(ended)
	}
}

func (r *runner) ended(m *messages.InstanceEnded) {
	err := m.Cause.Err
	if errors.Is(err, lifecycle.ErrUnclean) && r.forced {
		err = fmt.Errorf("%s: %w", m.Instance, errForced)
	}
	r.outcome = errors.Join(r.outcome, err)
}
