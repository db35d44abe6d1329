package bench

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stageRows are the stages of a cold boot, in their order. Each goes on where the one before it ends.
var stageRows = []struct{ id, name string }{
	{"e.firmware", "cold boot: QEMU and firmware, until the disk is read"},
	{"e.loader", "cold boot: boot loader, until kernel and RAM disk are loaded"},
	{"e.kernel", "cold boot: kernel, unpacking included, until /init"},
	{"e.initrd", "cold boot: RAM disk, until systemd"},
	{"e.units", "cold boot: units, until the stack is started"},
	{"e.services", "cold boot: services, until all answer with fresh secrets"},
}

// bootMarks are the moments at which the stages end, since QEMU was started. 0 is one that is not known.
type bootMarks struct {
	firstRead time.Duration // of the disk
	loaded    time.Duration // the last read of it before the kernel's own
	init      time.Duration // the kernel starts its first program
	systemd   time.Duration // of the disk, not one of the RAM disk's
	stack     time.Duration // stack.service is started
	ready     time.Duration
}

// stages are those that both ends are known of, by their rows.
func (m bootMarks) stages() map[string]time.Duration {
	took := map[string]time.Duration{}
	var began time.Duration
	for n, ended := range []time.Duration{m.firstRead, m.loaded, m.init, m.systemd, m.stack, m.ready} {
		if known := n == 0 || began > 0; known && ended > 0 {
			took[stageRows[n].id] = ended - began
		}
		began = ended
	}
	return took
}

// diskRead says how much had been read of a disk at a moment.
type diskRead struct {
	at    time.Duration
	total int64
}

// loaderReads are the first read of the disk, and the last one before the kernel has started its first program: until then only
// firmware and boot loader have a driver for it.
func loaderReads(reads []diskRead, init time.Duration) (first, last time.Duration) {
	for _, r := range reads {
		if first == 0 {
			first = r.at
		}
		if r.at < init {
			last = r.at
		}
	}
	return first, last
}

// runInit is what the kernel logs when it starts its first program.
var runInit = regexp.MustCompile(`(?m)^\[ *(\d+\.\d+)\] Run /\S+ as init process`)

// parseInit reads from the kernel's log, as dmesg prints it, when the first program was started. Where a first choice was not there
// the last one counts.
func parseInit(log []byte) (time.Duration, bool) {
	all := runInit.FindAllSubmatch(log, -1)
	if len(all) == 0 {
		return 0, false
	}
	return parseSeconds(string(all[len(all)-1][1]))
}

// parseUptime reads /proc/uptime.
func parseUptime(text []byte) (time.Duration, bool) {
	up, _, _ := strings.Cut(string(text), " ")
	return parseSeconds(up)
}

func parseSeconds(text string) (time.Duration, bool) {
	d, err := time.ParseDuration(text + "s")
	return d, err == nil && d > 0
}

// parseMicroseconds reads a time of systemd. One that has not come is 0.
func parseMicroseconds(text []byte) (time.Duration, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return time.Duration(n) * time.Microsecond, err == nil && n > 0
}
