// Package mailbox is the mail of the stack: it takes every message, for whomever it is, delivers none, and shows them all on
// a web page. Programs read them by the JSON interface of Inbucket, which the product's own image has at the same place.
//
// A message that has been taken (SMTP's 250) is on the disk.
package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"

	"github.com/stackemu/stackemu/guest/tools/owner"
	"github.com/stackemu/stackemu/guest/tools/web"
)

// Config says where the mail is.
type Config struct {
	SMTP string // address to listen at for mail
	Web  string // address of the page and of the JSON interface
	File string // the database; its directory is made
	User string // the system user that it runs as; "" is the caller's
	Log  io.Writer
}

// Run serves until ctx ends, or one of the two servers does.
func Run(ctx context.Context, c Config) (err error) {
	if err := owner.Become(c.User, filepath.Dir(c.File)); err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	store, err := OpenStore(c.File)
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	incoming, err := net.Listen("tcp", c.SMTP)
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, 2)
	for _, serve := range []func() error{
		func() error { return Receive(ctx, incoming, store, c.Log) },
		func() error { return web.Serve(ctx, c.Web, Handler(store)) },
	} {
		go func() {
			defer cancel() // one is of no use without the other
			results <- serve()
		}()
	}
	if err := errors.Join(<-results, <-results); err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	return nil
}
