package qmp

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// LoadLazy loads what [Conn.SaveLazy] wrote into a QEMU that waits for it (-incoming defer -S). RAM is the file that was
// kept beside it, mapped privately. The guest is paused afterwards.
//
// Of every load: a failure that QEMU tells is a [*MigrationError], and a QEMU that dies of it one with [ErrClosed]; that
// one has said why on its standard error. QEMU loads much that is damaged without a word: check a snapshot before.
func (q *Conn) LoadLazy(ctx context.Context, path string) error {
	return q.load(ctx, path, func(ctx context.Context) error { return q.setCapabilities(ctx, ignoreShared) })
}

// LoadMapped loads what [Conn.SaveMapped] wrote, with as many channels. The guest is paused afterwards. Of a truncated
// file QEMU dies.
func (q *Conn) LoadMapped(ctx context.Context, path string, channels int) error {
	return q.load(ctx, path, func(ctx context.Context) error {
		return errors.Join(q.setCapabilities(ctx, mappedRAM, multiFD), q.setChannels(ctx, channels))
	})
}

// LoadDevices loads what [Conn.SaveDevices] wrote into a QEMU that was started for it (qemu.IncomingSession): such a file
// has no header, and no other QEMU makes sense of it. The guest is paused afterwards.
func (q *Conn) LoadDevices(ctx context.Context, path string) error {
	return q.load(ctx, path, func(ctx context.Context) error { return q.setCapabilities(ctx) })
}

// load is what the three have in common.
func (q *Conn) load(ctx context.Context, path string, prepare func(context.Context) error) error {
	ctx, cancel := bounded(ctx, MigrationTimeout)
	defer cancel()
	err := prepare(ctx)
	if err == nil {
		args := fileChannel(path)
		err = q.migrate(ctx, "migrate-incoming", with(args, stayOnError, false), nil)
		if unknownArgument(err, stayOnError) {
			err = q.migrate(ctx, "migrate-incoming", args, nil)
		}
	}
	if err != nil {
		return fmt.Errorf("qmp: load of %s: %w", path, err)
	}
	return nil
}

// stayOnError is the argument, new in QEMU 9.1, that lets QEMU tell why a load failed instead of ending.
const stayOnError = "exit-on-error"

// unknownArgument reports whether QEMU has refused a command because it does not know an argument.
func unknownArgument(err error, name string) bool {
	var refusal *Error
	return errors.As(err, &refusal) && strings.Contains(refusal.Desc, "'"+name+"' is unexpected")
}
