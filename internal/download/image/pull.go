package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/download"
	"github.com/stackemu/stackemu/internal/github"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu"
)

// Puller brings images into a home.
type Puller struct {
	Home  home.Home
	API   string                           // of GitHub; "" for github.com's
	Token func(ctx context.Context) string // "" for none; asked once for each pull that needs GitHub

	Options download.Options // Client, Connections, Chunk and Stall; the rest is made here
	// Transport carries the questions to GitHub; nil for one of the environment's.
	Transport http.RoundTripper
}

// Phase is what a pull is doing.
type Phase string

// The phases, in their order.
const (
	Waiting     Phase = "waiting"     // for another process that writes the image
	Looking     Phase = "looking"     // for what is wanted, and whether it is there
	Downloading Phase = "downloading" // or copying, from a file
	Unpacking   Phase = "unpacking"   // an artifact
	Publishing  Phase = "publishing"  // checked, synced, renamed
)

// Progress is how a pull stands.
type Progress struct {
	Phase Phase
	download.Progress
}

// Result is the image that is there now.
type Result struct {
	Path     string
	From     string // in words
	Digest   string
	Size     int64 // bytes
	UpToDate bool  // it was there already
	Resumed  int64 // bytes that an earlier pull had left
	Evicted  int   // snapshots of the old image that were removed
	Held     int   // and those that somebody uses
}

// Pull pulls an image. tell is called with what goes on, one call at a time.
func (p *Puller) Pull(ctx context.Context, r Request, tell func(Progress)) (Result, error) {
	if err := r.Check(); err != nil {
		return Result{}, err
	}
	if err := p.Home.Create(); err != nil {
		return Result{}, err
	}
	image := p.Home.Image(r.Arch)
	unlock, err := download.Lock(ctx, image.Lock, func() {
		tell(Progress{Waiting, download.Progress{Note: "another process writes the image"}})
	})
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	w := &pull{Puller: p, request: r, image: image, part: image.Partial, fresh: image.New, tell: tell}
	return w.run(ctx)
}

// pull is one pull under way, with the image's lock.
type pull struct {
	*Puller
	request     Request
	image       home.Image
	part, fresh string // what is fetched, and the image before it has its name
	tell        func(Progress)
}

// run pulls. What was announced may be replaced while it is fetched: then the new one is fetched.
func (w *pull) run(ctx context.Context) (Result, error) {
	r, first, err := w.try(ctx, nil)
	if err != nil && replaced(err) && first.path == "" {
		again, second, againErr := w.try(ctx, &first)
		if second.differs(first) {
			return again, againErr
		}
	}
	return r, err
}

// try finds what is wanted, and brings it unless it is what was tried before.
func (w *pull) try(ctx context.Context, before *source) (r Result, s source, err error) {
	w.tell(Progress{Phase: Looking})
	s, err = w.find(ctx, w.request)
	defer s.close()
	if err != nil || before != nil && !s.differs(*before) {
		return Result{}, s, err
	}
	if r, ok := w.upToDate(ctx, s); ok {
		return r, s, download.Discard(w.part)
	}
	r, err = w.bring(ctx, s)
	return r, s, err
}

func replaced(err error) bool {
	_, wrong := errors.AsType[*download.DigestError](err)
	return wrong || errors.Is(err, download.ErrChanged)
}

// upToDate says whether the image is what would be fetched. The description is believed only about the very image that it was
// written for.
func (w *pull) upToDate(ctx context.Context, s source) (Result, bool) {
	known := ReadSidecar(w.image.Sidecar)
	if w.request.Force || known.Digest == "" || !w.announced(ctx, s, known) || w.digest(ctx) != known.Digest {
		return Result{}, false
	}
	return Result{Path: w.image.Disk, From: s.about.From, Digest: known.Digest, Size: known.Size, UpToDate: true}, true
}

// announced says whether a source has what is known to be here: by the digest, or where there is none by the ETag that the same link
// had, or by reading the file.
func (w *pull) announced(ctx context.Context, s source, known Sidecar) bool {
	switch {
	case s.digest != "" && s.zipped:
		return s.digest == known.Transfer
	case s.digest != "":
		return s.digest == known.Digest
	case s.link != "":
		return known.From == s.about.From && known.ETag != "" && w.Options.Unchanged(ctx, s.link, known.ETag)
	case s.path != "":
		return w.sameFile(ctx, s.path, known)
	}
	return false
}

// sameFile says whether a file of this machine has what is here, and its description says nothing else of it.
func (w *pull) sameFile(ctx context.Context, path string, known Sidecar) bool {
	from, err := os.Open(path)
	if err != nil {
		return false // it is told by who copies it
	}
	defer from.Close()
	info, err := from.Stat()
	here, hereErr := os.Stat(w.image.Disk)
	if err != nil || hereErr != nil || info.Size() != known.Size || os.SameFile(info, here) {
		return false
	}
	digest, _, err := download.CopyDigest(ctx, io.Discard, from, func(int64) {})
	if err != nil || digest != known.Digest {
		return false
	}
	about := known
	about.describe(path)
	return reflect.DeepEqual(about, known)
}

// digest is that of the image that is there, or "".
func (w *pull) digest(ctx context.Context) string {
	digest, err := snapshot.ImageDigest(ctx, w.image.Disk, w.Home.Cache)
	if err != nil {
		return ""
	}
	return digest
}

// bring fetches an image, checks it and publishes it.
func (w *pull) bring(ctx context.Context, s source) (r Result, err error) {
	if err := remove(w.fresh); err != nil { // of a pull that was killed
		return Result{}, err
	}
	defer func() {
		if err != nil {
			_ = remove(w.fresh)
		}
	}()
	about := s.about
	r = Result{Path: w.image.Disk, From: about.From}
	if s.path != "" {
		err = w.copyFile(ctx, s.path, &about)
	} else {
		r.Resumed, err = w.fetch(ctx, s, &about)
	}
	if err != nil {
		return Result{}, err
	}
	if strings.EqualFold(about.Repository, OwnRepo) { // a disk tells nobody what is on it
		about.Profile, about.GuestTools = "reference", true
	}
	w.tell(Progress{Phase: Publishing})
	if _, err := qemu.CheckImage(w.fresh); err != nil {
		return Result{}, fmt.Errorf("refused: %w", err)
	}
	old := w.digest(ctx)
	about.Created = time.Now().UTC().Truncate(time.Second)
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	if err := publish(w.fresh, w.image.Disk, w.image.Sidecar, about); err != nil {
		return Result{}, fmt.Errorf("publish: %w", err)
	}
	r.Digest, r.Size = about.Digest, about.Size
	if old != "" && old != about.Digest {
		r.Evicted, r.Held, err = evict(snapshot.Open(w.Home.Snapshots), old)
	}
	return r, err
}

// fetch downloads what is wanted, and leaves the image at w.fresh.
func (w *pull) fetch(ctx context.Context, s source, about *Sidecar) (resumed int64, err error) {
	o := w.Options
	o.Path, o.Identity, o.Size, o.Digest, o.Locate = w.part, s.identity(), s.size, s.digest, s.locate
	o.Progress = func(p download.Progress) { w.tell(Progress{Downloading, p}) }
	got, err := download.Fetch(ctx, o)
	if err != nil {
		return 0, err
	}
	about.Digest, about.Size, about.ETag = got.Digest, got.Size, got.ETag
	if !s.zipped {
		return got.Resumed, os.Rename(w.part, w.fresh)
	}
	pace := pacer{}
	inner, err := download.UnpackFile(ctx, download.Unpack{Archive: w.part, Name: AssetName(w.request.Arch), To: w.fresh, Progress: func(done, of int64) {
		if pace.due() {
			w.tell(Progress{Unpacking, download.Progress{Done: done, Total: of}})
		}
	}})
	if err != nil && !errors.Is(err, context.Canceled) {
		return 0, errors.Join(err, download.Discard(w.part)) // it will not get better
	}
	if err != nil {
		return 0, err
	}
	about.Transfer, about.Digest, about.Size = got.Digest, inner.Digest, inner.Size
	return got.Resumed, download.Discard(w.part)
}

// pacer keeps progress to what an eye can follow.
type pacer struct{ last time.Time }

func (p *pacer) due() bool {
	if now := time.Now(); now.Sub(p.last) > 200*time.Millisecond {
		p.last = now
		return true
	}
	return false
}

// copyFile copies an image of this machine, with what its description knows of its content, to w.fresh.
func (w *pull) copyFile(ctx context.Context, path string, about *Sidecar) (err error) {
	if _, err := qemu.CheckImage(path); err != nil {
		return fmt.Errorf("refused: %w", err)
	}
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(w.image.Disk); err == nil && os.SameFile(there, info) {
		return fmt.Errorf("%s is the image already", path)
	}
	if err := download.Room(filepath.Dir(w.fresh), info.Size()); err != nil {
		return err
	}
	to, err := os.OpenFile(w.fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	digest, size, err := w.copy(ctx, to, from, info.Size())
	if err != nil {
		return err
	}
	about.Digest, about.Size = digest, size
	about.describe(path)
	return nil
}

func (w *pull) copy(ctx context.Context, to io.Writer, from io.Reader, total int64) (digest string, size int64, err error) {
	pace := pacer{}
	return download.CopyDigest(ctx, to, from, func(done int64) {
		if pace.due() {
			w.tell(Progress{Downloading, download.Progress{Done: done, Total: total}})
		}
	})
}

// github makes the client for one pull.
func (p *Puller) github(ctx context.Context) (*github.Client, error) {
	token := ""
	if p.Token != nil {
		token = p.Token(ctx)
	}
	return github.New(github.Options{API: p.API, Token: token, Transport: p.Transport})
}

// evict removes the snapshots of an image that is not there any more, if nobody has them.
func evict(store *snapshot.Store, digest string) (evicted, held int, err error) {
	entries, err := store.List()
	if err != nil {
		return 0, 0, err
	}
	for _, e := range entries {
		if e.Manifest == nil || e.Manifest.Parts.ImageDigest != digest || !e.InUse {
			continue
		}
		removeErr := store.Remove(e.Key)
		switch _, used := errors.AsType[*snapshot.HeldError](removeErr); {
		case used:
			held++
		case removeErr != nil:
			err = errors.Join(err, removeErr)
		default:
			evicted++
		}
	}
	return evicted, held, err
}
