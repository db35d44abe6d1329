package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

// usage is what a process costs.
type usage struct {
	cpu         time.Duration // since it began
	rss         float64       // MiB, with what it has mapped of files
	descriptors int
}

// tick is the kernel's unit of processor time in /proc.
const tick = 10 * time.Millisecond

// usageOf asks the kernel.
func usageOf(pid int) (u usage, err error) {
	if runtime.GOOS != "linux" {
		return u, &skip{"only Linux tells what a process costs"}
	}
	dir := fmt.Sprintf("/proc/%d", pid)
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return u, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return u, err
	}
	open, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return u, err
	}
	u.descriptors = len(open)
	u.cpu, err = parseCPU(stat)
	if err != nil {
		return u, err
	}
	u.rss, err = parseRSS(text)
	return u, err
}

// parseCPU reads the time in user and in kernel mode from /proc/PID/stat. The second field, a name in brackets, may have anything
// in it.
func parseCPU(stat []byte) (time.Duration, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from the third one on
	const user, kernel = 14 - 3, 15 - 3
	if len(fields) <= kernel {
		return 0, fmt.Errorf("processor time of a process: %q", stat)
	}
	ticks := 0
	for _, field := range [][]byte{fields[user], fields[kernel]} {
		n, err := strconv.Atoi(string(field))
		if err != nil {
			return 0, fmt.Errorf("processor time of a process: %q", stat)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// parseRSS reads a line such as "VmRSS:  1234 kB".
func parseRSS(text []byte) (float64, error) {
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == "VmRSS:" {
			n, err := strconv.Atoi(string(fields[1]))
			return float64(n) / 1024, err
		}
	}
	return 0, errors.New("memory of a process: the kernel does not tell")
}

// Rows of (p).
const (
	rowIdle  = "p.cpu"
	rowRSS   = "p.rss"
	rowQuiet = "p.guest"
)

// idle is how long a supervisor and its guest are watched that have nothing to do. Before that it settles: right after a start the services are
// asked often.
const (
	idleFor     = time.Minute
	idleSettled = 30 * time.Second
)

// supervisorMeasure looks at the program itself, and at its guest, while the instance is ready and nobody asks it for anything.
func supervisorMeasure(s setup) measure {
	return measure{
		key: "p",
		rows: []Row{{ID: rowIdle, Name: "supervisor of a ready instance: part of a CPU, over a minute", Unit: percent},
			{ID: rowRSS, Name: "supervisor of a ready instance: memory (RSS)", Unit: mebi},
			{ID: rowQuiet, Name: "guest of a ready instance: part of a CPU, over a minute", Unit: percent}},
		needs: &s,
		run: func(ctx context.Context, l lab, put put) (err error) {
			g, err := l.start(ctx, s)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, g.end()) }()
			if err := wait(ctx, idleSettled); err != nil {
				return err
			}
			supervisor, err := g.supervisor()
			if err != nil {
				return err
			}
			machine, err := g.machine()
			if err != nil {
				return err
			}
			if err := wait(ctx, idleFor); err != nil {
				return err
			}
			supervisorAfter, err := g.supervisor()
			if err != nil {
				return err
			}
			machineAfter, err := g.machine()
			if err != nil {
				return err
			}
			put(rowIdle, share(supervisor, supervisorAfter))
			put(rowRSS, supervisorAfter.rss)
			put(rowQuiet, share(machine, machineAfter))
			return nil
		},
	}
}

// share is the part of a CPU, in percent, that a process has had while it was watched.
func share(before, after usage) float64 {
	return 100 * (after.cpu - before.cpu).Seconds() / idleFor.Seconds()
}
