package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/qemu"
)

// vm is the process of an instance's VM; 0 when none runs.
func (p *patient) vm(name string) int {
	files, err := p.Folders().Instance(name)
	if err != nil {
		return 0
	}
	id, err := qemu.ReadPID(files.PID)
	if err != nil || !id.Alive() {
		return 0
	}
	return id.PID
}

// instances looks for those that are not as their last supervisor should have left them.
func (p *patient) instances(ctx context.Context) []Finding {
	const code = "instances"
	names, err := p.Folders().Instances()
	if err != nil {
		return []Finding{with(Problem, code, "let it be a directory of yours", "%v", err)}
	}
	var all []Finding
	for _, name := range names {
		files, err := p.Folders().Instance(name)
		if err != nil {
			continue
		}
		_, err = control.NewClient(files.ControlSock).PID(ctx)
		if vm := p.vm(name); vm != 0 && errors.Is(err, control.ErrNoSupervisor) {
			all = append(all, with(Warning, code, "stackemu start "+name+" takes it over, stackemu stop "+name+" ends it",
				"%s: its VM runs without a supervisor (pid %d)", name, vm))
		}
		aside, _ := filepath.Glob(literal(files.Session) + ".broken-*")
		for _, dir := range aside {
			all = append(all, with(Warning, code, "rm -r "+quoted(dir)+", if nobody is to find out why; what was on its disk is not lost",
				"%s: a saved session could not be used, and was set aside", name))
		}
	}
	if len(all) == 0 {
		all = append(all, ok(code, "%d, and nothing is wrong with their files", len(names)))
	}
	return all
}

// leftovers are what downloads and damaged snapshots leave.
func (p *patient) leftovers(context.Context) []Finding {
	const code = "leftovers"
	h := p.Folders()
	var all []Finding
	broken, _ := filepath.Glob(literal(h.Snapshots) + "/*.broken-*")
	for _, dir := range broken {
		all = append(all, with(Warning, code, "stackemu snapshot prune removes it", "a damaged snapshot was set aside: %s", dir))
	}
	for _, arch := range []string{"amd64", "arm64"} {
		image := h.Image(arch)
		for _, path := range []string{image.Partial, image.New} {
			if info, err := os.Stat(path); err == nil && !held(image.Lock) {
				all = append(all, with(Warning, code, "stackemu pull --arch "+arch+" goes on with it; or rm "+quoted(path),
					"a download of %s has not come to its end: %s", inGiB(info.Size()), path))
			}
		}
	}
	if len(all) == 0 {
		all = append(all, ok(code, "no damaged snapshots, no unfinished downloads"))
	}
	return all
}

// held says whether somebody is at work. A lock that is not there is nobody's, and is not made.
func held(path string) bool {
	if _, err := os.Stat(path); err != nil {
		return false
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryRLock()
	_ = lock.Close()
	return err == nil && !free
}

// literal is a path that means itself in a pattern.
func literal(path string) string {
	var b []rune
	for _, r := range path {
		switch r {
		case '*', '?', '[', '\\':
			b = append(b, '\\')
		}
		b = append(b, r)
	}
	return string(b)
}
