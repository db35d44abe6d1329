package instance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/google/renameio/v2"

	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/internal/snapshot/sparse"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qmp"
	"github.com/stackemu/stackemu/qemu/ram"
)

// A session is what a stopped instance goes on from: RAM and devices at the moment when its disk stood still. Its directory
// has one of three names. session.new is being saved; session can be resumed, once; session.live has been, and holds the RAM
// file that a VM has mapped. Only the rename from one to the next changes what a later start may do.
//
// How a session is saved follows from the RAM that the machine has (docs/decisions/0010). Where that is a private mapping of a
// file, the pages that the guest has changed are written over a copy of the file that they were changed from: the snapshot's,
// which stays as it is, or an earlier session's or a cold boot's, which nobody else uses and which is taken over. Anonymous
// RAM is QEMU's to write, all of it that is not zero: the mapped-ram format.

const (
	sessionRAM      = "ram.img"      // of pages
	sessionState    = "device.state" // of pages
	sessionSavevm   = "savevm.raw"   // of mapped-ram
	sessionManifest = "manifest.json"
	sessionVersion  = 1

	brokenMark = ".broken-" // between the name of one that was set aside, and the time
	brokenTime = "20060102-150405.000"
)

// savesPages tells whether this system lets a supervisor see which pages its VM has changed (qemu/ram).
const savesPages = runtime.GOOS == "linux"

// sessionFormat is how this run's session is saved: [snapshot.Lazy] as changed pages, [snapshot.MappedRAM] by QEMU, "" not
// at all.
func (b *Boot) sessionFormat() snapshot.Format {
	switch private := b.layout.RAMFile != ""; {
	case b.Way == Capture:
	case private && b.pages:
		return snapshot.Lazy
	case !private && b.caps.Mapped():
		return snapshot.MappedRAM
	}
	return ""
}

// sessionWay is the way to save and load sessions of a format.
func (b *Boot) sessionWay(f snapshot.Format) format {
	if f == snapshot.MappedRAM {
		return mapped{b.layout.CPUs}
	}
	return pages{b}
}

func filesOfSession(dir string) snapshot.Files {
	return snapshot.Files{RAM: filepath.Join(dir, sessionRAM), State: filepath.Join(dir, sessionState), Savevm: filepath.Join(dir, sessionSavevm)}
}

// session is a saved session that a run goes on from.
type session struct {
	files  sessionFiles
	mapped bool // its RAM is
}

// sessionFiles are the three names of a session's directory.
type sessionFiles struct{ saved, fresh, live string }

// sessionRecord is the manifest. A session without one, or with another one, is not resumed.
type sessionRecord struct {
	Version int               `json:"version"`
	Parts   snapshot.Parts    `json:"parts"` // without the image: the disk is the instance's own
	Saved   time.Time         `json:"saved"`
	RAM     stamp             `json:"ram,omitzero"`
	State   stamp             `json:"state,omitzero"`
	Digest  string            `json:"stateSHA256,omitempty"`
	Savevm  stamp             `json:"savevm,omitzero"`
	Runtime map[string]string `json:"runtime,omitempty"` // what the guest knows of this host
	Disk    stamp             `json:"disk"`              // as it was then: a disk that has gone on without the session must not be under it
	Layer   stamp             `json:"layer,omitzero"`    // what the disk is on
	Base    stamp             `json:"base"`
}

// stamped is a file and its stamp in the manifest.
type stamped struct {
	path  string
	stamp *stamp
}

// stamps are the files that the session in dir consists of, with the chain of its disk.
func (b *Boot) stamps(r *sessionRecord, dir string) []stamped {
	all := []stamped{{b.files.Disk, &r.Disk}, {b.files.Base, &r.Base}}
	if _, err := os.Stat(b.files.Layer); err == nil || r.Layer != (stamp{}) {
		all = append(all, stamped{b.files.Layer, &r.Layer})
	}
	files := filesOfSession(dir)
	if r.Parts.Format == snapshot.MappedRAM {
		return append(all, stamped{files.Savevm, &r.Savevm})
	}
	return append(all, stamped{files.RAM, &r.RAM}, stamped{files.State, &r.State})
}

// stamp is what tells a file from itself at another time.
type stamp struct {
	Size     int64 `json:"size"`
	Modified int64 `json:"modifiedNs"` // Unix time
}

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	return stamp{info.Size(), info.ModTime().UnixNano()}, nil
}

// resumeSession makes a run go on from the saved session, if there is one that loads here. One that does not is set aside,
// and the instance boots from its disk.
func (b *Boot) resumeSession(context.Context) (bool, error) {
	dir := b.files.Session
	if _, err := os.Stat(dir); err != nil {
		return false, ignoreMissing(err)
	}
	record, why := b.readSession(dir)
	if b.cold && why == nil {
		why = errors.New("it has failed, or booting from the disk is asked for")
	}
	if why != nil {
		return false, b.setAside(why)
	}
	b.resumeFrom(b.sessionWay(record.Parts.Format), filesOfSession(dir))
	b.session = b.sessionIn(dir, b.layout.RAMFile != "")
	b.told = record.Runtime
	return true, nil
}

// setAside keeps a session that cannot be resumed for whoever wants to know why.
func (b *Boot) setAside(why error) error {
	aside := b.files.Session + brokenMark + time.Now().UTC().Format(brokenTime)
	if err := os.Rename(b.files.Session, aside); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	b.Notes = append(b.Notes, fmt.Sprintf("the saved session is not used and was set aside as %s: %v; no data on the disk is lost", filepath.Base(aside), why))
	return b.forgetBroken()
}

func (b *Boot) sessionIn(dir string, mapped bool) *session {
	return &session{files: sessionFiles{dir, b.files.SessionNew, b.files.SessionLive}, mapped: mapped}
}

// forgetBroken keeps the youngest of the sessions that were set aside: each is as large as the guest's RAM.
func (b *Boot) forgetBroken() error {
	old, err := filepath.Glob(b.files.Session + brokenMark + "*")
	if err != nil {
		return err
	}
	for _, dir := range old[:max(0, len(old)-1)] { // sorted, so by time
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("session: %w", err)
		}
	}
	return nil
}

// readSession reads what a session is, and why it cannot be resumed; nil if it can.
func (b *Boot) readSession(dir string) (record sessionRecord, unfit error) {
	text, err := os.ReadFile(filepath.Join(dir, sessionManifest))
	if err == nil {
		err = json.Unmarshal(text, &record)
	}
	if err != nil {
		return record, err
	}
	if record.Version != sessionVersion {
		return record, fmt.Errorf("it has version %d, not %d", record.Version, sessionVersion)
	}
	if diff := record.Parts.Diff(b.sessionParts(record.Parts.Format)); diff != "" {
		return record, errors.New(diff)
	}
	for _, f := range b.stamps(&record, dir) {
		if now, err := stampOf(f.path); err != nil || now != *f.stamp {
			return record, errors.Join(fmt.Errorf("%s has changed since", filepath.Base(f.path)), err)
		}
	}
	if record.Parts.Format == snapshot.MappedRAM {
		return record, nil
	}
	if digest, err := digestOf(filepath.Join(dir, sessionState)); err != nil || digest != record.Digest {
		return record, errors.Join(errors.New(sessionState+" is damaged"), err)
	}
	return record, nil
}

// sessionParts is all that decides whether a session of a format loads here. The user's wish for a format of snapshots does
// not: a session that is there is resumed as it was saved.
func (b *Boot) sessionParts(f snapshot.Format) snapshot.Parts {
	parts := b.parts
	parts.ImageDigest, parts.Format = "", f
	parts.Layout.RAMFile, parts.Layout.RAMShare = "", false
	return parts
}

// claim says that a VM goes on from the session. It is called between the load and the guest's first step.
func (s *session) claim() error {
	if err := os.RemoveAll(s.files.live); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if err := os.Rename(s.files.saved, s.files.live); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if !s.mapped {
		_ = os.RemoveAll(s.files.live) // as large as the guest's RAM, and of no use any more; the next start tries again
	}
	return syncDir(filepath.Dir(s.files.saved))
}

// saveSession writes devices and RAM of the paused machine into session.new. The stop waits for it: nobody else could.
func (b *Boot) saveSession(ctx context.Context, m *qmp.Conn) error {
	dir := b.files.SessionNew
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return b.sessionWay(b.sessionFormat()).save(ctx, m, filesOfSession(dir))
}

func (b *Boot) saveRAM(ctx context.Context, dst string) error {
	base := b.layout.RAMFile
	mine := base == b.files.RAM
	if b.session != nil {
		base, mine = filepath.Join(b.files.SessionLive, sessionRAM), true
	}
	mapped, err := os.Stat(base)
	if err != nil {
		return err
	}
	id, err := qemu.ReadPID(b.files.PID)
	if err != nil {
		return err
	}
	if mine {
		err = os.Rename(base, dst) // from here on the session is worth something when it is sealed, or never
	} else {
		err = sparse.Copy(ctx, dst, base)
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(dst, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = ram.Save(ctx, id, mapped, f, nil)
	return errors.Join(err, f.Close())
}

// Seal publishes the session that was saved. QEMU is gone, so that the disk stands still.
func (b *Boot) Seal(ctx context.Context) error {
	dir := b.files.SessionNew
	format := b.sessionFormat()
	record := sessionRecord{Version: sessionVersion, Parts: b.sessionParts(format), Saved: time.Now().UTC(), Runtime: b.told}
	for _, f := range b.stamps(&record, dir) {
		if err := syncFile(f.path); err != nil {
			return fmt.Errorf("session: %w", err)
		}
		var err error
		if *f.stamp, err = stampOf(f.path); err != nil {
			return fmt.Errorf("session: %w", err)
		}
	}
	if format == snapshot.Lazy {
		var err error
		if record.Digest, err = digestOf(filepath.Join(dir, sessionState)); err != nil {
			return fmt.Errorf("session: %w", err)
		}
	}
	text, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(filepath.Join(dir, sessionManifest), text, 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if err := os.Rename(dir, b.files.Session); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return syncDir(b.files.Dir)
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func digestOf(path string) (string, error) {
	text, err := os.ReadFile(path) // a megabyte
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
