// Package prune finds what nothing needs any more in a home, and removes it.
//
// It promises that the data of instances, images, and snapshots that can be resumed here stay, and that nothing is removed that
// somebody has: everything is done under the lock of who would use it, and what is locked stays. What may still be of use to
// somebody, such as half a download, has to be of a certain age. An error about one thing does not keep the rest.
package prune

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/snapshot"
)

// How long things are left alone that somebody may come back to.
const (
	DownloadAge = 24 * time.Hour     // since something of it has arrived
	BrokenAge   = 7 * 24 * time.Hour // since a session was set aside
	UnusedAge   = 7 * 24 * time.Hour // since an instance without data was touched
	scrapAge    = 24 * time.Hour     // since a temporary file was written: its command has ended long ago
)

// Item is a thing that nobody needs.
type Item struct {
	Kind  string `json:"kind"` // snapshot, download, leftover, session, instance
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"` // on the disk, that its removal frees
	Why   string `json:"why"`
}

// The kinds of items.
const (
	Snapshot = "snapshot"
	Download = "download"
	Leftover = "leftover" // of a command that was killed
	Session  = "session"
	Instance = "instance"
)

// Result is what was done.
type Result struct {
	Removed []Item `json:"removed"` // or would be
	Held    []Item `json:"held"`    // would be, if nobody had it now
}

// Bytes is the room that was made.
func (r Result) Bytes() (sum int64) {
	for _, item := range r.Removed {
		sum += item.Bytes
	}
	return sum
}

// pruning is one run.
type pruning struct {
	config.Config
	home   home.Home
	now    time.Time
	dry    bool
	result Result
}

// Run removes what nothing needs. With dry nothing is removed, and the Result is what would be. After an error it is what was
// done nevertheless.
func Run(ctx context.Context, c config.Config, now time.Time, dry bool) (Result, error) {
	p := &pruning{Config: c, home: c.Folders(), now: now, dry: dry, result: Result{Removed: []Item{}, Held: []Item{}}}
	var errs []error
	for _, part := range []func(context.Context) error{p.downloads, p.instances, p.scraps, p.snapshots} {
		if err := context.Cause(ctx); err != nil {
			return p.result, errors.Join(append(errs, err)...)
		}
		errs = append(errs, part(ctx))
	}
	return p.result, errors.Join(append(errs, p.names())...)
}

// remove removes a thing, whose lock the caller has.
func (p *pruning) remove(kind, path, why string) error {
	item := Item{Kind: kind, Path: path, Bytes: snapshot.Allocated(path), Why: why}
	if !p.dry {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	p.result.Removed = append(p.result.Removed, item)
	return nil
}

// ago is a time in words.
func ago(t time.Time) string { return t.Local().Format(time.DateOnly) }
