package bench

import (
	"maps"
	"testing"
	"time"
)

func TestStages(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name  string
		marks bootMarks
		want  map[string]time.Duration
	}{
		{"all", bootMarks{firstRead: 500 * ms, loaded: 900 * ms, init: 2000 * ms, systemd: 2300 * ms, stack: 4000 * ms, ready: 9000 * ms},
			map[string]time.Duration{"e.firmware": 500 * ms, "e.loader": 400 * ms, "e.kernel": 1100 * ms, "e.initrd": 300 * ms, "e.units": 1700 * ms,
				"e.services": 5000 * ms}},
		{"a QEMU that does not count", bootMarks{init: 2000 * ms, systemd: 2300 * ms, stack: 4000 * ms, ready: 9000 * ms},
			map[string]time.Duration{"e.initrd": 300 * ms, "e.units": 1700 * ms, "e.services": 5000 * ms}},
		{"another init", bootMarks{firstRead: 500 * ms, loaded: 900 * ms, init: 2000 * ms, ready: 9000 * ms},
			map[string]time.Duration{"e.firmware": 500 * ms, "e.loader": 400 * ms, "e.kernel": 1100 * ms}},
		{"no stack.service", bootMarks{init: 2000 * ms, systemd: 2300 * ms, ready: 9000 * ms}, map[string]time.Duration{"e.initrd": 300 * ms}},
		{"a guest that tells nothing", bootMarks{firstRead: 500 * ms, ready: 9000 * ms}, map[string]time.Duration{"e.firmware": 500 * ms}},
	} {
		if got := c.marks.stages(); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestLoaderReads(t *testing.T) {
	reads := []diskRead{{300, 512}, {320, 4096}, {500, 9000}, {700, 9500}}
	for _, c := range []struct {
		init, first, last time.Duration
	}{
		{600, 300, 500},
		{10_000, 300, 700},
		{0, 300, 0}, // when the kernel began nobody knows
	} {
		if first, last := loaderReads(reads, c.init); first != c.first || last != c.last {
			t.Errorf("until %v: %v, %v", c.init, first, last)
		}
	}
	if first, last := loaderReads(nil, 600); first != 0 || last != 0 {
		t.Errorf("without any: %v, %v", first, last)
	}
}

func TestWhatGuestsSay(t *testing.T) {
	for _, c := range []struct {
		parse func([]byte) (time.Duration, bool)
		text  string
		want  time.Duration // 0 for not known
	}{
		{parseInit, "[    0.000000] Linux version 6.12.48\n[    1.234567] Run /init as init process\n[    1.240000] virtio_blk virtio1: [vda]\n", 1234567 * time.Microsecond},
		{parseInit, "[  100.500000] Run /sbin/init as init process\n[  101.000000] Run /bin/sh as init process\n", 101 * time.Second},
		{parseInit, "[    1.000000] someone says: Run /init as init process\n", 0},
		{parseInit, "dmesg: read kernel buffer failed: Operation not permitted\n", 0},
		{parseInit, "", 0},
		{parseUptime, "12.34 20.50\n", 12340 * time.Millisecond},
		{parseUptime, "", 0},
		{parseUptime, "soon\n", 0},
		{parseMicroseconds, "1500000\n", 1500 * time.Millisecond},
		{parseMicroseconds, "0\n", 0}, // of a unit that there is none of, or that was never started
		{parseMicroseconds, "\n", 0},
		{parseMicroseconds, "n/a\n", 0},
	} {
		if got, known := c.parse([]byte(c.text)); known != (c.want > 0) || known && got != c.want {
			t.Errorf("%q: %v, %v", c.text, got, known)
		}
	}
}
