package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/google/renameio/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu"
)

// A supervisor that dies (kill -9, out of memory) leaves its VM, which goes on serving. The next supervisor adopts it, if it
// was ready: everything that it has to know stands in a file beside it. The guest notices nothing.

const recordVersion = 1

// record is what a later supervisor has to know of a VM.
type record struct {
	Version int             `json:"version"`
	Process qemu.Identity   `json:"process"`
	Began   time.Time       `json:"began"`
	Ready   time.Time       `json:"ready"`
	Argv    []string        `json:"argv"`
	Profile profile.Profile `json:"profile"` // with the host ports that lead to the guest
	Mounts  []config.Mount  `json:"mounts,omitempty"`

	// What its stop needs to save a session.
	Parts    snapshot.Parts    `json:"parts"`
	Caps     qemu.Capabilities `json:"capabilities"`
	RAMFile  string            `json:"ramFile,omitempty"`
	Pages    bool              `json:"pages,omitempty"`
	Session  bool              `json:"session,omitempty"`  // it has gone on from a session
	IsMapped bool              `json:"isMapped,omitempty"` // whose RAM was
}

// orphan is a VM that can be adopted.
type orphan struct{ record }

// writeRecord is called when the VM is ready.
func (b *Boot) writeRecord() error {
	b.launch.Lock()
	id, err := qemu.ReadPID(b.files.PID)
	b.launch.Unlock()
	if err != nil {
		return err
	}
	r := record{Version: recordVersion, Process: id, Began: b.began, Ready: time.Now(), Argv: b.args, Profile: b.profile, Mounts: b.config.Mounts,
		Parts: b.parts, Caps: b.caps, RAMFile: b.layout.RAMFile, Pages: b.pages}
	if b.session != nil {
		r.Session, r.IsMapped = true, b.session.mapped
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(b.files.Running, text, 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("note for a later supervisor: %w", err)
	}
	return nil
}

// parseRecord reads what writeRecord has written for the process.
func parseRecord(text []byte, id qemu.Identity) (*orphan, error) {
	var o orphan
	if err := json.Unmarshal(text, &o.record); err != nil {
		return nil, err
	}
	if o.Version != recordVersion || o.Process != id || len(o.Profile.Services) == 0 {
		return nil, errors.New("it is about another VM")
	}
	return &o, nil
}

// findOrphan looks for a VM whose supervisor has died without it. One that was ready, and still runs its guest, is adopted;
// another one is ended.
func (i *Instance) findOrphan(ctx context.Context) error {
	if id, err := qemu.ReadPID(i.Files.PID); err == nil && id.Alive() {
		if i.surveyed.orphan = i.mayAdopt(ctx, id); i.surveyed.orphan != nil {
			return nil
		}
	}
	return i.endOrphan(ctx)
}

// mayAdopt is nil when the VM is of no use to anybody.
func (i *Instance) mayAdopt(ctx context.Context, id qemu.Identity) *orphan {
	if i.surveyed.fellBack || i.captureOnly {
		return nil
	}
	text, err := os.ReadFile(i.Files.Running)
	if err != nil {
		return nil
	}
	o, err := parseRecord(text, id)
	if err != nil {
		return nil
	}
	if _, err := os.Lstat(i.Files.AgentSock); err != nil {
		return nil // without its agent it could be neither exec'd into nor saved
	}
	conn := i.dialOrphan(ctx)
	if conn == nil {
		return nil
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, orphanQuit)
	defer cancel()
	if status, err := conn.Status(ctx); err != nil || status.Status != "running" {
		return nil // it was being saved, or its disk is full
	}
	return o
}

// adopt makes a Boot of a VM that runs.
func (i *Instance) adopt(o *orphan) *Boot {
	b := &Boot{Way: Adopt, Ready: o.Ready, files: i.Files, home: i.home, config: i.config, began: o.Began, args: o.Argv, adopted: &o.Process, plugged: true}
	b.config.Mounts = o.Mounts
	b.survey = survey{ownDisk: true, profile: o.Profile, caps: o.Caps, layout: o.Parts.Layout, parts: o.Parts, pages: o.Pages}
	b.layout.RAMFile = o.RAMFile
	b.wiring.Mounts = b.hostMounts()
	if o.Session {
		b.session = b.sessionIn(i.Files.Session, o.IsMapped)
	}
	for _, path := range b.channels() {
		b.sockets = append(b.sockets, socket{path: path})
	}
	b.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	b.Notes = append(b.Notes, fmt.Sprintf("took over the VM that a former supervisor had left (pid %d)", o.Process.PID))
	return b
}
