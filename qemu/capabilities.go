package qemu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/span"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// Capabilities is what a QEMU says that it can do. Ask it and not its version: distributions leave things out.
type Capabilities struct {
	Migration []string `json:"migration"` // migration capabilities, such as x-ignore-shared and mapped-ram
	Machines  []string `json:"machines"`  // machine types that are neither deprecated nor "none"
	Devices   []string `json:"devices"`   // device types, such as vmgenid
	Commands  []string `json:"commands"`  // QMP commands
}

// askedFor is a part of the cache's key: it changes when another question is asked.
const askedFor = "with commands|"

// capabilitiesTimeout bounds the whole conversation, which takes 0.1 s.
const capabilitiesTimeout = 20 * time.Second

// HasMigration reports whether there is a migration capability.
func (c Capabilities) HasMigration(name string) bool { return slices.Contains(c.Migration, name) }

// HasMachine reports whether there is a machine type.
func (c Capabilities) HasMachine(name string) bool { return slices.Contains(c.Machines, name) }

// HasDevice reports whether there is a device type.
func (c Capabilities) HasDevice(name string) bool { return slices.Contains(c.Devices, name) }

// Lazy reports whether snapshots can leave RAM in its file ([qmp.Conn.SaveLazy]).
func (c Capabilities) Lazy() bool { return c.HasMigration("x-ignore-shared") }

// Mapped reports whether snapshots with RAM at fixed places in one file are possible ([qmp.Conn.SaveMapped]).
func (c Capabilities) Mapped() bool { return c.HasMigration("mapped-ram") && c.HasMigration("multifd") }

// Sessions reports whether the devices can be saved alone ([qmp.Conn.SaveDevices]).
func (c Capabilities) Sessions() bool { return slices.Contains(c.Commands, "xen-save-devices-state") }

// NewestMachine returns the newest versioned machine type of an architecture, or "" if there is none.
func (c Capabilities) NewestMachine(arch Arch) string {
	newest, best := "", Version{}
	for _, name := range c.Machines {
		number, ok := strings.CutPrefix(name, traits[arch].family)
		if !ok {
			continue
		}
		major, minor, _ := strings.Cut(number, ".")
		v := Version{}
		var errs [2]error
		v.Major, errs[0] = strconv.Atoi(major)
		v.Minor, errs[1] = strconv.Atoi(minor)
		if errs == [2]error{} && best.Less(v) {
			newest, best = name, v
		}
	}
	return newest
}

// Capabilities asks QEMU, over QMP on a machine without parts. It takes about 0.1 s.
func (b *Binary) Capabilities(ctx context.Context) (Capabilities, error) {
	ctx, cancel := context.WithTimeout(ctx, capabilitiesTimeout)
	defer cancel()
	caps, err := b.askCapabilities(ctx)
	if err != nil {
		return Capabilities{}, fmt.Errorf("qemu: capabilities of %s: %w", b.Path, err)
	}
	return caps, nil
}

// CachedCapabilities is [Binary.Capabilities] with its answer kept in a file in dir for as long as the binary stays the
// same.
func (b *Binary) CachedCapabilities(ctx context.Context, dir string) (Capabilities, error) {
	key, err := b.Fingerprint()
	if err != nil {
		return Capabilities{}, err
	}
	path := filepath.Join(dir, "capabilities-"+string(b.Arch)+".json")
	return cached(ctx, path, askedFor+key, func() (c Capabilities, err error) {
		end := span.Begin(ctx, "qemu", "ask for its capabilities")
		c, err = b.Capabilities(span.Silent(ctx))
		end(err)
		return c, err
	})
}

// askCapabilities starts an empty QEMU, asks and ends it.
func (b *Binary) askCapabilities(ctx context.Context) (Capabilities, error) {
	dir, err := os.MkdirTemp("", "stackemu-")
	if err != nil {
		return Capabilities{}, err
	}
	defer os.RemoveAll(dir)
	sock := filepath.Join(dir, "qmp")
	listener, file, err := Listen(sock)
	if err != nil {
		return Capabilities{}, err
	}
	var a args
	a.add("-machine", "none")
	a.add("-display", "none")
	a.add("-chardev", listening("monitor", FirstFD))
	a.add("-mon", "chardev=monitor,mode=control")
	p, err := Start(Command{Path: b.Path, Args: append(a, "-nodefaults", "-no-user-config", "-S"), Files: []*os.File{file}})
	listener.Close()
	file.Close()
	if err != nil {
		return Capabilities{}, err
	}
	defer func() {
		p.Kill()
		<-p.Done()
	}()
	return converse(ctx, sock, p)
}

// settle is how long the death of QEMU may take to show after its monitor is gone.
const settle = 500 * time.Millisecond

// converse asks the questions. If QEMU dies of them, its own words are the error.
func converse(ctx context.Context, sock string, p *Process) (c Capabilities, err error) {
	q, err := qmp.Dial(ctx, sock, nil)
	if err == nil {
		defer q.Close()
		c, err = query(ctx, q)
	}
	if err == nil || ctx.Err() != nil {
		return c, err
	}
	select {
	case <-p.Done():
		if p.Err() != nil {
			err = p.Err()
		}
	case <-time.After(settle):
	}
	return c, err
}

// query asks an open monitor.
func query(ctx context.Context, q *qmp.Conn) (c Capabilities, err error) {
	if c.Migration, err = q.MigrationCapabilities(ctx); err != nil {
		return c, err
	}
	if c.Commands, err = q.Commands(ctx); err != nil {
		return c, err
	}
	var machines []struct {
		Name       string `json:"name"`
		Deprecated bool   `json:"deprecated"`
	}
	if err := q.Execute(ctx, "query-machines", nil, &machines); err != nil {
		return c, err
	}
	for _, m := range machines {
		if m.Name != "none" && !m.Deprecated {
			c.Machines = append(c.Machines, m.Name)
		}
	}
	var devices []struct {
		Name string `json:"name"`
	}
	args := map[string]any{"implements": "device", "abstract": false}
	if err := q.Execute(ctx, "qom-list-types", args, &devices); err != nil {
		return c, err
	}
	for _, d := range devices {
		c.Devices = append(c.Devices, d.Name)
	}
	for _, list := range [][]string{c.Migration, c.Machines, c.Devices, c.Commands} {
		slices.Sort(list)
	}
	return c, nil
}
