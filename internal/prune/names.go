package prune

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/stackemu/stackemu/internal/snapshot/pack"
	"github.com/stackemu/stackemu/internal/snapshot/sparse"
)

// This file is about the names that mapped-ram snapshots have beside their image (internal/instance, names.go). They outlive a
// snapshot: links that lead nowhere, and a packed file that takes room for as long as it has a name. Nothing can be resumed from
// that any more, since the disk that belongs to it is gone. What other tools have written is theirs.

// names removes those whose snapshot is gone, or is removed in this run.
func (p *pruning) names() error {
	gone := map[string]bool{}
	var packed []os.FileInfo // of those, in a dry run
	for _, item := range p.result.Removed {
		if item.Kind != Snapshot {
			continue
		}
		gone[filepath.Base(item.Path)] = true
		if info, err := os.Stat(filepath.Join(item.Path, "savevm.zst")); err == nil {
			packed = append(packed, info)
		}
	}
	var errs []error
	for _, e := range entries(p.home.Images) {
		path := filepath.Join(p.home.Images, e.Name())
		switch {
		case strings.HasSuffix(e.Name(), ".savevm.zst") && e.Type().IsRegular():
			errs = append(errs, p.packedName(path, packed))
		case isLinkName(e.Name()) && p.leadsNowhere(path, gone):
			errs = append(errs, p.remove(Leftover, path, nameWhy))
		}
	}
	return errors.Join(errs...)
}

const nameWhy = "the name of a snapshot that is gone"

func isLinkName(name string) bool {
	return strings.HasSuffix(name, ".savevm.raw") || strings.HasSuffix(name, ".savevm.disk.qcow2")
}

// packedName removes the name of a packed file that we have packed, unless a snapshot that stays has the file, too.
func (p *pruning) packedName(path string, packed []os.FileInfo) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil // somebody has been faster
	}
	if about, err := pack.Inspect(path); err != nil || about.Content < 0 {
		return nil
	}
	names := sparse.Links(info)
	for _, other := range packed {
		if os.SameFile(info, other) {
			names--
		}
	}
	if names > 1 {
		return nil
	}
	if !p.dry {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	p.result.Removed = append(p.result.Removed, Item{Kind: Leftover, Path: path, Bytes: sparse.Allocated(info), Why: nameWhy})
	return nil
}

// leadsNowhere tells of a link to a file of a snapshot whether the snapshot is gone. The file alone may be missing: it is a cache.
func (p *pruning) leadsNowhere(link string, gone map[string]bool) bool {
	target, err := os.Readlink(link)
	if err != nil || filepath.Dir(filepath.Dir(target)) != p.home.Snapshots {
		return false
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(target))
	return errors.Is(err, os.ErrNotExist) || err == nil && gone[filepath.Base(dir)]
}
