package prune

import (
	"context"
	"path/filepath"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu"
)

// snapshots are those that nothing here can be resumed from any more, and what captures have left.
func (p *pruning) snapshots(ctx context.Context) error {
	images, err := Images(ctx, p.home)
	if err != nil {
		return err
	}
	h := newHost(ctx)
	keep := func(m snapshot.Manifest) bool {
		// Without any image the folder is more likely not the right one.
		return (len(images) == 0 || images[m.Parts.ImageDigest]) && h.outgrown(m.Parts) == ""
	}
	pruned, err := snapshot.Open(p.home.Snapshots).Prune(keep, p.dry)
	for _, e := range pruned.Removed {
		p.result.Removed = append(p.result.Removed, p.item(e, h))
	}
	for _, e := range pruned.Held {
		p.result.Held = append(p.result.Held, p.item(e, h))
	}
	return err
}

func (p *pruning) item(e snapshot.Entry, h *host) Item {
	why := Why(e)
	if e.InUse && e.Manifest != nil {
		if outgrown := h.outgrown(e.Manifest.Parts); outgrown != "" {
			why = outgrown
		}
	}
	return Item{Kind: Snapshot, Path: filepath.Join(p.home.Snapshots, e.Name), Bytes: e.Bytes, Why: why}
}

// Images are the digests of all images there are. One that cannot be read is an error: its snapshots are not to be lost.
func Images(ctx context.Context, h home.Home) (map[string]bool, error) {
	paths, err := filepath.Glob(filepath.Join(h.Images, "*.qcow2"))
	if err != nil {
		return nil, err
	}
	digests := map[string]bool{}
	for _, path := range paths {
		if isLinkName(path) {
			continue
		}
		digest, err := snapshot.ImageDigest(ctx, path, h.Cache)
		if err != nil {
			return nil, err
		}
		digests[digest] = true
	}
	return digests, nil
}

// Why is why a snapshot is of no use whose image is not there, or that is not in use.
func Why(e snapshot.Entry) string {
	switch {
	case !e.InUse && e.Cause != "":
		return e.What + ", " + e.Cause
	case !e.InUse:
		return e.What
	case e.Manifest == nil:
		return "its manifest cannot be read"
	}
	return "its image is gone"
}

// host is what snapshots have to fit to.
type host struct {
	cpu    string
	builds map[string]string // of QEMU, by architecture; "" where there is none that could tell
	build  func(arch string) string
}

func newHost(ctx context.Context) *host {
	h := &host{builds: map[string]string{}}
	h.cpu, _ = snapshot.HostCPU() // one that is not known rules nothing out
	h.build = func(arch string) string {
		binary, err := qemu.Find(ctx, qemu.Arch(arch))
		if err != nil {
			return ""
		}
		return binary.Build
	}
	return h
}

// outgrown says why a snapshot cannot be resumed on this host any more, whatever the configuration; "" if it may.
func (h *host) outgrown(parts snapshot.Parts) string {
	arch := string(parts.Layout.Arch)
	build, known := h.builds[arch]
	if !known {
		build = h.build(arch)
		h.builds[arch] = build
	}
	switch {
	case parts.Version != snapshot.Version:
		return "another version of stackemu has captured it"
	case build != "" && parts.QEMU != build:
		return "another QEMU has captured it: " + parts.QEMU
	case h.cpu != "" && parts.HostCPU != h.cpu:
		return "it was captured on another processor"
	}
	return ""
}
