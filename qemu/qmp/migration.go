package qmp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stackemu/stackemu/internal/span"
)

// MigrationTimeout is the deadline of a save or load whose context has none. Writing 4 GiB of RAM takes 2 to 12 s here.
const MigrationTimeout = 10 * time.Minute

const (
	// migrationPoll is how often a save or load is asked for how it is, in case that its event was dropped, and for its
	// progress.
	migrationPoll = 100 * time.Millisecond
	// cancelTimeout bounds the cancelling of a save whose context has ended.
	cancelTimeout = 2 * time.Second
)

// ErrRunning is the error of a save while the guest runs: RAM, devices and disk would be of different moments.
var ErrRunning = errors.New("the guest runs: stop it first")

// MigrationError is a save or load that QEMU did not bring to an end: for a load, the snapshot is of no use. If QEMU has
// ended over it, [ErrClosed] is in the chain, and what it said last is on its standard error.
type MigrationError struct {
	Status string // failed or cancelled
	Desc   string // QEMU's words, or ""
	Err    error  // the refusal ([*Error]) or the connection's end, or nil
}

// Error gives QEMU's description where there is one.
func (e *MigrationError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("%s: %v", e.Status, e.Err)
	case e.Desc != "":
		return fmt.Sprintf("%s: %s", e.Status, e.Desc)
	}
	return e.Status
}

// Unwrap gives the cause.
func (e *MigrationError) Unwrap() error { return e.Err }

// Progress is how far a save has come.
type Progress struct {
	Done, Total int64 // bytes of guest RAM
}

// migration is the answer to query-migrate.
type migration struct {
	Status string `json:"status"` // "" before the first one
	Desc   string `json:"error-desc"`
	RAM    struct {
		Total     int64 `json:"total"`
		Remaining int64 `json:"remaining"`
	} `json:"ram"`
}

// The statuses that are the end of a migration.
const (
	completed = "completed"
	failed    = "failed"
	cancelled = "cancelled"
)

// over reports whether a migration with a status has ended.
func over(status string) bool { return status == completed || status == failed || status == cancelled }

// err is what a migration that is over has come to.
func (m migration) err() error {
	if m.Status == completed {
		return nil
	}
	return &MigrationError{Status: m.Status, Desc: m.Desc}
}

// setCapabilities switches the named migration capabilities on, and all others of ours off: what an earlier save has set
// stays in QEMU. A QEMU that refuses is asked which it has, for one that it has not cannot be on.
func (q *Conn) setCapabilities(ctx context.Context, on ...string) error {
	all := []string{ignoreShared, mappedRAM, multiFD}
	err := q.switchCapabilities(ctx, all, on)
	var refusal *Error
	if !errors.As(err, &refusal) {
		return err
	}
	known, unknown := q.MigrationCapabilities(ctx)
	if unknown != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(name string) bool { return !slices.Contains(known, name) && !slices.Contains(on, name) })
	return q.switchCapabilities(ctx, all, on)
}

// switchCapabilities switches those of all on that are in on, and the others off.
func (q *Conn) switchCapabilities(ctx context.Context, all, on []string) error {
	type capability struct {
		Name  string `json:"capability"`
		State bool   `json:"state"`
	}
	list := []capability{{"events", true}}
	for _, name := range all {
		list = append(list, capability{name, slices.Contains(on, name)})
	}
	return q.execute(ctx, "migrate-set-capabilities", map[string]any{"capabilities": list}, nil)
}

// setChannels sets by how many threads a save writes, and a load reads.
func (q *Conn) setChannels(ctx context.Context, n int) error {
	return q.execute(ctx, "migrate-set-parameters", map[string]int{"multifd-channels": n}, nil)
}

// unthrottle lets a save write as fast as it can. QEMU's own limit, 128 MiB/s, spares a network.
func (q *Conn) unthrottle(ctx context.Context) error {
	return q.execute(ctx, "migrate-set-parameters", map[string]int64{"max-bandwidth": noLimit}, nil)
}

// noLimit is more than any disk can do, in bytes per second. Not every QEMU takes 0 for that.
const noLimit = 1 << 40

// fileChannel is the argument that leads to a file. Unlike the URI file:PATH it takes any path.
func fileChannel(path string) map[string]any {
	address := map[string]any{"transport": "file", "filename": path, "offset": 0}
	return map[string]any{"channels": []any{map[string]any{"channel-type": "main", "addr": address}}}
}

// with returns the arguments and one more.
func with(args map[string]any, name string, value any) map[string]any {
	args = maps.Clone(args)
	args[name] = value
	return args
}

// migrate runs a command that starts a migration, and waits for the end of that. onProgress may be nil.
//
// An event is only the hint to ask QEMU, whose answer counts: events are dropped when they come fast, and one may be left
// from a migration before.
func (q *Conn) migrate(ctx context.Context, command string, args any, onProgress func(Progress)) error {
	events, stop := q.watch("MIGRATION")
	defer stop()
	if err := q.execute(ctx, command, args, nil); err != nil {
		var refusal *Error
		if errors.As(err, &refusal) {
			return &MigrationError{Status: failed, Err: err}
		}
		return err
	}
	end := span.Begin(ctx, "qmp", "end of "+command)
	err := q.awaitMigration(span.Silent(ctx), events, onProgress)
	end(err)
	return err
}

func (q *Conn) awaitMigration(ctx context.Context, events <-chan Event, onProgress func(Progress)) error {
	poll := time.NewTicker(migrationPoll)
	defer poll.Stop()
	for {
		select {
		case e := <-events:
			if status, _ := e.Data["status"].(string); !over(status) {
				continue
			}
		case <-poll.C:
		case <-q.ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		m, err := q.queryMigrate(ctx)
		switch {
		case errors.Is(err, ErrClosed): // an older QEMU ends when a load fails, any QEMU may crash over it
			return &MigrationError{Status: failed, Err: err}
		case err != nil:
			return err
		case over(m.Status):
			return m.err()
		case onProgress != nil && m.RAM.Total > 0:
			onProgress(Progress{m.RAM.Total - m.RAM.Remaining, m.RAM.Total})
		}
	}
}

func (q *Conn) queryMigrate(ctx context.Context) (m migration, err error) {
	err = q.execute(ctx, "query-migrate", nil, &m)
	return m, err
}
