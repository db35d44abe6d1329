package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/home"
)

// A soak starts and stops the same instances again and again, in one home: what grows shows.

// cycle is what was seen of one start and stop.
type cycle struct {
	start, stop time.Duration
	supervisors []soaked // of all instances, while all were ready
	disk        float64  // MiB: the home when nothing runs, without the instances' RAM and disks
}

// soaked is one supervisor when its instance is ready.
type soaked struct {
	usage
	goroutines int
}

// soakMeasure is one soak: its samples are the cycles.
func soakMeasure(s setup, cycles, instances int) measure {
	id := func(what string) string { return soakRow(instances, what) }
	name := fmt.Sprintf("%d cycles of %d: ", cycles, instances)
	return measure{
		key: "z", once: true, needs: &s,
		rows: []Row{
			timeRow(id("start"), name+"start", ""), timeRow(id("stop"), name+"stop", ""),
			{ID: id("fds"), Name: name + "descriptors of a supervisor", Unit: pieces},
			{ID: id("goroutines"), Name: name + "goroutines of a supervisor", Unit: pieces},
			{ID: id("rss"), Name: name + "memory of a supervisor (RSS)", Unit: mebi},
			{ID: id("disk"), Name: name + "the home, without the instances' RAM and disks", Unit: mebi},
		},
		run: func(ctx context.Context, l lab, put put) (err error) {
			soak, err := l.soak(s, instances)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, soak.end()) }()
			for range cycles {
				c, err := soak.cycle(ctx)
				if err != nil {
					return err
				}
				put(id("start"), c.start.Seconds())
				put(id("stop"), c.stop.Seconds())
				put(id("disk"), c.disk)
				for _, one := range c.supervisors {
					put(id("fds"), float64(one.descriptors))
					put(id("goroutines"), float64(one.goroutines))
					put(id("rss"), one.rss)
				}
			}
			return nil
		},
	}
}

func soakRow(instances int, what string) string { return fmt.Sprintf("z.%d.%s", instances, what) }

// soaking are instances of one room.
type soaking struct {
	*room
	files []home.Instance
}

// soak makes a room whose instances are not started yet.
func (f *folder) soak(s setup, instances int) (soak, error) {
	r, err := f.newRoom(s)
	if err != nil {
		return nil, err
	}
	g := &soaking{room: r}
	for n := range instances {
		name := fmt.Sprintf("soak-%d", n+1)
		files, err := r.config.Folders().Instance(name)
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		g.files = append(g.files, files)
		r.pids = append(r.pids, files.PID)
	}
	return g, nil
}

func (g *soaking) names() (names []string) {
	for _, f := range g.files {
		names = append(names, f.Name)
	}
	return names
}

// command runs the program to its end.
func (g *soaking) command(ctx context.Context, args ...string) (time.Duration, error) {
	began := time.Now()
	c, err := g.run(args...)
	if err == nil {
		err = c.end(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", args[0], err)
	}
	return time.Since(began), nil
}

func (g *soaking) cycle(ctx context.Context) (c cycle, err error) {
	if c.start, err = g.command(ctx, append([]string{"start"}, g.names()...)...); err != nil {
		return c, err
	}
	for _, f := range g.files {
		now, err := control.NewClient(f.ControlSock).Status(ctx)
		if err != nil {
			return c, err
		}
		u, err := usageOf(now.Supervisor.PID)
		if err != nil {
			return c, err
		}
		c.supervisors = append(c.supervisors, soaked{u, now.Supervisor.Goroutines})
	}
	if c.stop, err = g.command(ctx, append([]string{"stop"}, g.names()...)...); err != nil {
		return c, err
	}
	c.disk, err = g.onDisk()
	return c, err
}

// onDisk is what the home takes, without what grows with what the guests do: their RAM and their disks.
func (g *soaking) onDisk() (float64, error) {
	bytes := int64(0)
	err := filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		for _, f := range g.files {
			if path == f.Session || path == f.RAM || path == f.Disk || path == f.FreshDisk || path == f.Base || path == f.Layer {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			bytes += stat.Blocks * 512
		}
		return nil
	})
	return float64(bytes) / (1 << 20), err
}

// end stops what is still there: a supervisor in the background does not end with the command that has launched it.
func (g *soaking) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	_, err := g.command(ctx, "stop", "--all", "--kill")
	return errors.Join(err, g.close())
}
