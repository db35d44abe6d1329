package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stackemu/stackemu/internal/snapshot"
)

// measure is what is done again and again for some rows of the table. One that fails ends no other.
type measure struct {
	key   string // the letter of --only
	rows  []Row  // without samples
	needs *setup // whose snapshot must be there; nil for none
	once  bool   // however many runs are wished for
	run   func(ctx context.Context, l lab, put put) error
}

// rounds is how often it is taken.
func (m measure) rounds(runs int) int {
	if m.once {
		return 1
	}
	return runs
}

// put adds a sample to a row.
type put func(row string, value float64)

// Rows that claims are made of, besides those that have a letter's name.
const (
	rowRestarted = "c.run"
	rowAnswered  = "c.answer"
	rowSecond    = "f.second"
	rowUnpack    = "h.ours"
	rowZstd      = "h.zstd"
	rowImage     = "e.image"
)

// guestRAM is what (g) compares, in MiB.
var guestRAM = []int{1024, 2048, 4096}

func ramRow(mib int) string { return fmt.Sprintf("g.%d", mib) }

// measures are all of them, in groups. In a group they take turns, so that a machine that is busy for a while is so for all
// that are compared with each other.
func measures(ramMiB int, instances []int, cycles int) [][]measure {
	warm, bare := setup{ramMiB: ramMiB}, setup{ramMiB: ramMiB, stale: true}
	var sizes, crowds []measure
	for _, mib := range guestRAM {
		name := fmt.Sprintf("as (b), guest with %d MiB", mib)
		sizes = append(sizes, started("g", timeRow(ramRow(mib), name, ramRow(guestRAM[0])), setup{ramMiB: mib, stale: true}))
	}
	for _, n := range instances {
		second := n > 1 && !slices.ContainsFunc(instances, func(m int) bool { return 1 < m && m < n })
		crowds = append(crowds, crowdMeasure(setup{ramMiB: ramMiB, apart: true}, n, instances[0], second))
	}
	return [][]measure{
		{
			floorMeasure(bare),
			started("b", timeRow("b", "up, resumed, no rotation", "a"), bare),
			started("c", timeRow("c", "up, resumed, with rotation", "a"), warm),
			restartMeasure(setup{ramMiB: ramMiB, stale: true, apart: true}),
			started("d", timeRow("d", "up, resumed, no rotation, mapped-ram", "a"), setup{ramMiB: ramMiB, stale: true, format: snapshot.MappedRAM}),
		},
		{
			started("e", timeRow("e", "up, cold boot", "a"), setup{ramMiB: ramMiB, cold: true}),
			stagesMeasure(setup{ramMiB: ramMiB, cold: true}),
			imageMeasure(),
		},
		{sessionMeasure(warm)},
		crowds,
		sizes,
		{
			timed("h", timeRow(rowUnpack, "unpacking the packed RAM of a snapshot", rowZstd), warm, lab.unpack),
			timed("h", timeRow(rowZstd, "the same by zstd -d -T0", ""), warm, lab.zstd),
		},
		{supervisorMeasure(warm)},
		soaks(setup{ramMiB: ramMiB, blocks: true}, cycles, instances),
	}
}

// soaks are one of a single instance, and one of as many at once as are measured at most.
func soaks(s setup, cycles int, instances []int) []measure {
	all := []measure{soakMeasure(s, cycles, 1)}
	if n := len(instances); n > 0 && instances[n-1] > 1 { // they are sorted
		all = append(all, soakMeasure(s, cycles, instances[n-1]))
	}
	return all
}

func timeRow(id, name, to string) Row { return Row{ID: id, Name: name, Unit: seconds, RatioTo: to} }

// timed is one row of times.
func timed(key string, row Row, s setup, do func(lab, context.Context, setup) (time.Duration, error)) measure {
	m := measure{key: key, rows: []Row{row}, needs: &s, run: func(ctx context.Context, l lab, put put) error {
		took, err := do(l, ctx, s)
		if err == nil {
			put(row.ID, took.Seconds())
		}
		return err
	}}
	if s.cold {
		m.needs = nil
	}
	return m
}

func floorMeasure(s setup) measure {
	return timed("a", timeRow("a", "floor: QEMU alone, from exec until the guest agent answers", ""), s, lab.floor)
}

// started measures one start of the program.
func started(key string, row Row, s setup) measure {
	return timed(key, row, s, func(l lab, ctx context.Context, s setup) (time.Duration, error) {
		g, err := l.start(ctx, s)
		if err != nil {
			return 0, err
		}
		return g.took(), g.end()
	})
}

// restartMeasure measures what a rotation cannot do without. It belongs to (c).
func restartMeasure(s setup) measure {
	return measure{
		key: "c",
		rows: []Row{timeRow(rowRestarted, "restart of the Node servers, until they run", ""),
			timeRow(rowAnswered, "restart of the Node servers, until they answer", "")},
		needs: &s,
		run: func(ctx context.Context, l lab, put put) error {
			run, answered, err := l.restart(ctx, s)
			if err == nil {
				put(rowRestarted, run.Seconds())
				put(rowAnswered, answered.Seconds())
			}
			return err
		},
	}
}

// stagesMeasure looks into a cold boot. A stage that cannot be told fails nothing: images of others do without what tells it.
func stagesMeasure(s setup) measure {
	m := measure{key: "e", run: func(ctx context.Context, l lab, put put) error {
		took, err := l.boot(ctx, s)
		if err != nil {
			return err
		}
		for _, stage := range stageRows {
			if took, told := took[stage.id]; told {
				put(stage.id, took.Seconds())
			}
		}
		return nil
	}}
	for _, stage := range stageRows {
		m.rows = append(m.rows, timeRow(stage.id, stage.name, ""))
	}
	return m
}

func imageMeasure() measure {
	return measure{key: "e", once: true, rows: []Row{{ID: rowImage, Name: "the image", Unit: mega}},
		run: func(_ context.Context, l lab, put put) error {
			size, err := l.imageSize()
			if err == nil {
				put(rowImage, float64(size)/1e6)
			}
			return err
		}}
}

func sessionMeasure(s setup) measure {
	return measure{
		key:   "s",
		rows:  []Row{timeRow("s.stop", "stop, which saves the session", ""), timeRow("s", "up, resumed from the saved session", "a")},
		needs: &s,
		run: func(ctx context.Context, l lab, put put) (err error) {
			g, err := l.start(ctx, s)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, g.end()) }()
			took, err := g.stop(ctx)
			if err != nil {
				return err
			}
			put("s.stop", took.Seconds())
			if err := g.again(ctx); err != nil {
				return err
			}
			put("s", g.took().Seconds())
			return nil
		},
	}
}

// settle is how long an instance that is ready is left alone before its memory is looked at.
const settle = 5 * time.Second

// crowdMeasure starts n instances at once. first is the smallest n; second says that this is the crowd whose second instance
// is looked at.
func crowdMeasure(s setup, n, first int, second bool) measure {
	id := func(n int, what string) string { return fmt.Sprintf("f.%d.%s", n, what) }
	name := fmt.Sprintf("%d at once: ", n)
	m := measure{key: "f", needs: &s, rows: []Row{
		timeRow(id(n, "start"), name+"start of each", id(first, "start")),
		timeRow(id(n, "all"), name+"until all are ready", id(first, "all")),
		{ID: id(n, "private"), Name: name + "private memory of each, after 5 s", Unit: mebi},
		{ID: id(n, "dirty"), Name: name + "of that what is in no file", Unit: mebi},
		{ID: id(n, "shared"), Name: name + "shared memory of each, after 5 s", Unit: mebi},
	}}
	if second {
		m.rows = append(m.rows, Row{ID: rowSecond, Name: name + "private memory of the second, after 5 s", Unit: mebi})
	}
	m.run = func(ctx context.Context, l lab, put put) error {
		all, err := crowd(ctx, l, s, n)
		if err != nil {
			return err
		}
		var last time.Duration
		for _, one := range all {
			last = max(last, one.took)
			put(id(n, "start"), one.took.Seconds())
			put(id(n, "private"), one.memory.private())
			put(id(n, "dirty"), one.memory.dirty())
			put(id(n, "shared"), one.memory.shared())
		}
		put(id(n, "all"), last.Seconds())
		if second {
			put(rowSecond, all[1].memory.private())
		}
		return nil
	}
	return m
}

// member is what was seen of one instance of a crowd.
type member struct {
	took   time.Duration
	memory memory
}

// crowd starts instances side by side, and ends none before all have been looked at: what they share is so only while the
// others are there. The members are in the order in which they became ready.
func crowd(ctx context.Context, l lab, s setup, n int) (all []member, err error) {
	guests := make([]guest, n)
	defer func() {
		for _, g := range guests {
			if g != nil {
				err = errors.Join(err, g.end())
			}
		}
	}()
	members := make(chan member, n)
	group, ctx := errgroup.WithContext(ctx)
	for i := range n {
		group.Go(func() error {
			g, err := l.start(ctx, s)
			if err != nil {
				return err
			}
			guests[i] = g
			if err := wait(ctx, settle); err != nil {
				return err
			}
			seen, err := g.memory()
			members <- member{g.took(), seen}
			return err
		})
	}
	err = group.Wait()
	close(members)
	for m := range members {
		all = append(all, m)
	}
	return all, err
}

// wait returns after d, or with ctx.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
