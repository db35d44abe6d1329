// Package ports gives each instance a block of ten host ports of its own.
//
// The default instance has the first block, whose ports the product's documentation names. Any other instance is given the
// next block that is free, and keeps it: the same instance has the same URLs after every start. The blocks are in
// run/ports.json, which is written under a lock and by rename, so that two instances that are started at once never get the
// same. The block of an instance whose directory is gone is free again.
//
// Ports that browsers refuse are in no block that is given away, nor are ports at which somebody listens at that moment.
package ports

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/profile"
)

const (
	// Block is how many ports an instance has to itself. The product's images use four of them today.
	Block = 10
	first = profile.DefaultHostBase
	last  = 49140 // below the ports that systems give to clients by themselves (from 49152 on, by IANA)
)

// lockPoll is how often the lock is tried. It is held for the time of a few small files.
const lockPoll = 10 * time.Millisecond

// Base is the first port of an instance's block, which is given to it now if it has none. Its directory is made, since the
// block goes with it. free tells whether nobody listens at a port.
func Base(ctx context.Context, h home.Home, name string, free func(port int) bool) (int, error) {
	files, err := h.Instance(name)
	if err != nil {
		return 0, err
	}
	if name == home.DefaultInstance {
		return first, nil
	}
	base, err := base(ctx, h, files, free)
	if err != nil {
		return 0, fmt.Errorf("ports: %w", err)
	}
	return base, nil
}

func base(ctx context.Context, h home.Home, files home.Instance, free func(port int) bool) (int, error) {
	if err := h.Create(); err != nil {
		return 0, err
	}
	lock := flock.New(h.PortsLock(), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return 0, fmt.Errorf("lock: %w", err)
	}
	defer lock.Close()
	before, err := load(h.PortsFile())
	if err != nil {
		return 0, err
	}
	blocks := present(h, before)
	base, ok := blocks[files.Name]
	if !ok {
		if base, err = next(blocks, free); err != nil {
			return 0, err
		}
		blocks[files.Name] = base
	}
	if err := files.Create(); err != nil {
		return 0, err
	}
	if maps.Equal(before, blocks) {
		return base, nil
	}
	return base, save(h.PortsFile(), blocks)
}

// Known are the blocks that instances have, by name; the default instance is not among them.
func Known(h home.Home) map[string]int {
	blocks, err := load(h.PortsFile())
	if err != nil {
		return nil
	}
	return present(h, blocks)
}

// present leaves out the blocks of instances that are gone.
func present(h home.Home, all map[string]int) map[string]int {
	kept := map[string]int{}
	for name, base := range all {
		files, err := h.Instance(name)
		if err != nil {
			continue
		}
		if info, err := os.Stat(files.Dir); err == nil && info.IsDir() {
			kept[name] = base
		}
	}
	return kept
}

// next is the lowest block that is nobody's.
func next(blocks map[string]int, free func(port int) bool) (int, error) {
	taken := slices.Collect(maps.Values(blocks))
	for base := first + Block; base <= last; base += Block {
		if slices.Contains(taken, base) || refused(base) || !allFree(base, free) {
			continue
		}
		return base, nil
	}
	return 0, errors.New("there is no free block of ten ports any more: remove instances with `stackemu reset` and their directories")
}

func refused(base int) bool {
	for port := base; port < base+Block; port++ {
		if Refused(port) {
			return true
		}
	}
	return false
}

// allFree asks for the ports that are used.
func allFree(base int, free func(port int) bool) bool {
	for port := base; port < base+used; port++ {
		if !free(port) {
			return false
		}
	}
	return true
}

// used is how many ports of a block the product's images use.
const used = 4

// file is the form of ports.json.
type file struct {
	Version int            `json:"version"`
	Blocks  map[string]int `json:"blocks"` // the first port of each, by instance
}

const version = 1

// load reads the blocks. A file that cannot be read is set aside: nobody is to be locked out by it, and the price is that
// instances may get other ports.
func load(path string) (map[string]int, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]int{}, nil
	}
	if err != nil {
		return nil, err
	}
	blocks, err := decode(b)
	if err != nil {
		return map[string]int{}, os.Rename(path, path+".broken")
	}
	return blocks, nil
}

// decode takes what is sound. Two instances never have the same block: the one that comes first by name keeps it.
func decode(b []byte) (map[string]int, error) {
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	if f.Version != version {
		return nil, fmt.Errorf("version %d, want %d", f.Version, version)
	}
	blocks, owner := map[string]int{}, map[int]string{}
	for _, name := range slices.Sorted(maps.Keys(f.Blocks)) {
		base := f.Blocks[name]
		sound := base > first && base <= last && (base-first)%Block == 0 && home.CheckName(name) == nil && name != home.DefaultInstance
		if _, taken := owner[base]; sound && !taken {
			blocks[name], owner[base] = base, name
		}
	}
	return blocks, nil
}

func save(path string, blocks map[string]int) error {
	b, err := json.MarshalIndent(file{version, blocks}, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, append(b, '\n'), 0o600)
}
