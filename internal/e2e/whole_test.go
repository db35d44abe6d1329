package e2e

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/internal/snapshot"
)

// All that the capture boot wrote is there after a resume, on disk too, and the file system is whole.
func TestNothingOfTheCaptureIsLost(t *testing.T) {
	e := newEmulatorWithout(t)
	written := e.captured()
	g := e.resumedWith(func(c *config.Config) { c.NoRotation = true }) // which writes
	for _, step := range g.refresh.Steps {
		if step.Name == guestapi.StepRuntime {
			t.Error("the guest is told the ports that it was captured with")
		}
	}
	g.sh("sync; echo 3 >/proc/sys/vm/drop_caches")
	now := g.sums()
	for file, sum := range written {
		if now[file] != sum {
			t.Errorf("%s: %q, want %q", file, now[file], sum)
		}
	}
	if len(written) < 20 {
		t.Errorf("only %d files: %v", len(written), written)
	}
	g.must(g.monitor.Stop(g.ctx)) // no shutdown: the disk as it is at any moment
	g.must(g.monitor.Quit(g.ctx))
	<-g.process.Done()
	g.kill()
	e.checkFilesystem()
}

// captured takes a snapshot by hand, and gives the sums of the files that the guest had written and would not touch again.
func (e *emulator) captured() map[string]string {
	e.Helper()
	g, c := e.guest(), e.config()
	survey := g.open(c)
	store := snapshot.Open(c.Folders().Snapshots)
	reservation, _, err := store.Reserve(g.ctx, survey.Want.Parts, nil)
	g.must(err)
	files := reservation.Files()
	g.launch(instance.Choice{Capture: &files})
	g.connect()
	g.must(g.boot.OpenPorts(g.ctx, g.monitor))
	g.healthy()
	g.sh("mkdir -p /var/tmp/e2e; for n in $(seq 20); do head -c 1000000 /dev/urandom > /var/tmp/e2e/$n; done") // not synced
	sums := g.sums()
	g.inside("sleep 3") // for the servers to write what they have in hand
	later := g.sums()
	maps.DeleteFunc(sums, func(file, sum string) bool { return later[file] != sum })

	g.must(g.boot.Quiet(g.ctx, g.agent))
	g.must(g.boot.Save(g.ctx, g.monitor))
	g.must(g.monitor.Quit(g.ctx))
	<-g.process.Done()
	held, err := reservation.Publish(g.ctx, g.boot.Manifest())
	g.must(err)
	g.must(held.Close())
	g.kill()
	return sums
}

// sums are the sums of all files on the guest's disk that were written since it booted.
func (g *guest) sums() map[string]string {
	g.Helper()
	sums := map[string]string{}
	for line := range strings.Lines(g.sh("find / -xdev -type f -newermt \"$(uptime -s)\" -exec sha256sum {} +")) {
		if sum, file, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			sums[file] = sum
		}
	}
	return sums
}

// checkFilesystem replays the journal of the instance's disk and lets e2fsck look for what is wrong besides.
func (e *emulator) checkFilesystem() {
	e.Helper()
	c := e.config()
	files, err := c.Folders().Instance(home.DefaultInstance)
	if err != nil {
		e.Fatal(err)
	}
	raw := filepath.Join(e.home, "disk.raw")
	if out, err := exec.Command("qemu-img", "convert", "-O", "raw", files.Disk, raw).CombinedOutput(); err != nil {
		e.Fatalf("%v: %s", err, out)
	}
	filesystem := filepath.Join(e.home, "filesystem.raw") // e2fsck cannot replay a journal at an offset
	part := fmt.Sprintf("driver=raw,offset=%d,file.driver=file,file.filename=%s", firstPartition(e.T, raw), raw)
	if out, err := exec.Command("qemu-img", "convert", "--image-opts", "-O", "raw", part, filesystem).CombinedOutput(); err != nil {
		e.Fatalf("%v: %s", err, out)
	}
	for _, args := range [][]string{{"-E", "journal_only", "-y", filesystem}, {"-f", "-n", filesystem}} {
		if out, err := exec.Command("/sbin/e2fsck", args...).CombinedOutput(); err != nil {
			e.Errorf("e2fsck %v: %v\n%s", args, err, out)
		}
	}
}

// firstPartition is where the disk's file system begins, in bytes.
func firstPartition(t *testing.T, path string) int64 {
	t.Helper()
	d, err := diskfs.Open(path, diskfs.WithOpenMode(diskfs.ReadOnly))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	table, err := d.GetPartitionTable()
	if err != nil {
		t.Fatal(err)
	}
	return table.GetPartitions()[0].GetStart()
}
