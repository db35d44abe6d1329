package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stackemu/stackemu/internal/download"
	"github.com/stackemu/stackemu/internal/github"
)

const gib = 1 << 30

func inGiB(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/gib) }

// memory compares what a guest gets with what there is.
func (p *patient) memory(context.Context) []Finding {
	total, available, err := hostMemory()
	if err != nil {
		return []Finding{with(Warning, "memory", "", "the memory of this machine is not known: %v", err)}
	}
	return []Finding{remembered(int64(p.RAMMiB)<<20, total, available)}
}

// remembered judges by what is there and, where that is known (more than 0), by what is left of it.
func remembered(need, total, available int64) Finding {
	const code = "memory"
	text := fmt.Sprintf("a guest has %s of RAM, this machine %s", inGiB(need), inGiB(total))
	if available > 0 {
		text += fmt.Sprintf(", of which %s are free", inGiB(available))
	}
	switch {
	case total < need:
		return with(Problem, code, "give the guest less, with EMULATOR_RAM (MiB)", "%s", text)
	case available > 0 && available < need:
		return with(Warning, code, "end programs that need much, or give the guest less, with EMULATOR_RAM (MiB)", "%s", text)
	}
	return ok(code, "%s", text)
}

// disk looks for room.
func (p *patient) disk(context.Context) []Finding {
	dir := present(p.Home)
	free, err := download.Free(dir)
	if err != nil {
		return []Finding{with(Warning, "disk", "", "%v", err)}
	}
	return []Finding{roomy(dir, free, int64(p.RAMMiB)<<20)}
}

// roomy judges by what a first start takes: an image, and a snapshot with the guest's RAM. Both are sparse or packed, so that
// less may do.
func roomy(dir string, free, ram int64) Finding {
	const code, cure = "disk", "stackemu prune removes what nothing uses; STACK_EMULATOR_HOME names a home on another disk"
	switch {
	case free < gib:
		return with(Problem, code, cure, "%s are free on the disk of %s: that is too little for a start", inGiB(free), dir)
	case free < 4*gib+ram:
		return with(Warning, code, cure, "%s are free on the disk of %s: a new image and its snapshot may need %s", inGiB(free), dir, inGiB(4*gib+ram))
	}
	return ok(code, "%s are free on the disk of %s", inGiB(free), dir)
}

// present is the next directory upwards that is there.
func present(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

// home looks whether it is ours, and ours alone.
func (p *patient) home(context.Context) []Finding {
	const code = "home"
	info, err := os.Stat(p.Home)
	if err != nil {
		above := present(p.Home)
		if info, err := os.Stat(above); err != nil || !info.IsDir() || unix.Access(above, unix.W_OK|unix.X_OK) != nil {
			return []Finding{with(Problem, code, "let STACK_EMULATOR_HOME name a directory that can be made",
				"%s is not there, and cannot be made in %s", p.Home, above)}
		}
		return []Finding{ok(code, "%s is not there yet; the first start makes it", p.Home)}
	}
	if !info.IsDir() {
		return []Finding{with(Problem, code, "move it away, or let STACK_EMULATOR_HOME name a directory", "%s is not a directory", p.Home)}
	}
	h := p.Folders()
	var all []Finding
	for dir, closed := range map[string]fs.FileMode{h.Dir: 0o077, h.Run: 0o077, h.Cache: 0o077, h.Snapshots: 0o077, h.Images: 0o022} {
		if f, wrong := private(code, dir, closed); wrong { // images may be everybody's to read
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b Finding) int { return strings.Compare(a.Text, b.Text) })
	if len(all) == 0 {
		all = append(all, ok(code, "%s is there, and private", p.Home))
	}
	return all
}

// private looks whether this user, and nobody else, may use a directory, if it is there.
func private(code, dir string, closed fs.FileMode) (f Finding, wrong bool) {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return with(Problem, code, "sudo chown -R $(id -un) "+quoted(dir), "%v", err), !os.IsNotExist(err)
	case !info.IsDir():
		return with(Problem, code, "move it away", "%s is not a directory", dir), true
	case unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK) != nil:
		return with(Problem, code, fmt.Sprintf("sudo chown -R $(id -un) %s; chmod u+rwx %s", quoted(dir), quoted(dir)), "%s is not ours to write (%v)", dir, info.Mode()), true
	case info.Mode().Perm()&closed != 0:
		return with(Warning, code, "chmod 700 "+quoted(dir), "%s is open to other users (%v)", dir, info.Mode()), true
	}
	return Finding{}, false
}

// quoted is a path for a shell.
func quoted(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }

// links looks whether instances and snapshots can keep hold of the image, which needs one file system.
func (p *patient) links(context.Context) []Finding {
	const code = "hard_links"
	h := p.Folders()
	for _, dir := range []string{h.Run, h.Snapshots} {
		if err := linkable(h.Images, dir); err != nil {
			return []Finding{with(Problem, code, "put EMULATOR_IMAGE_DIR, EMULATOR_RUN_DIR and STACK_EMULATOR_HOME on one file system that has hard links",
				"%s cannot be kept hold of from %s: %v", h.Images, dir, err)}
		}
	}
	return []Finding{ok(code, "images, snapshots and instances are on one file system that has hard links")}
}

// linkable tries it, where both directories are there. Of what is still to be made only the file system is known.
func linkable(from, to string) error {
	above, beside := present(from), present(to)
	var a, b unix.Stat_t
	if err := unix.Stat(above, &a); err != nil {
		return &fs.PathError{Op: "stat", Path: above, Err: err}
	}
	if err := unix.Stat(beside, &b); err != nil {
		return &fs.PathError{Op: "stat", Path: beside, Err: err}
	}
	if a.Dev != b.Dev {
		return fmt.Errorf("%s and %s are on different file systems", above, beside)
	}
	if above != from || beside != to {
		return nil
	}
	file, err := os.CreateTemp(from, ".doctor-*")
	if err != nil {
		return nil // another check says so
	}
	defer os.Remove(file.Name())
	if err := file.Close(); err != nil {
		return err
	}
	second := filepath.Join(to, filepath.Base(file.Name())+".link")
	defer os.Remove(second)
	if err := os.Link(file.Name(), second); err != nil && !os.IsPermission(err) {
		return err
	}
	return nil
}

// token looks for one, and says where it is only.
func (p *patient) token(ctx context.Context) []Finding {
	if _, from := github.FindToken(ctx, p.lookup, ""); from != "" {
		return []Finding{ok("github_token", "there is one (%s)", from)}
	}
	f := ok("github_token", "there is none: releases need none, what pull requests and workflows have built does")
	f.Cure = "gh auth login, or set GITHUB_TOKEN"
	return []Finding{f}
}
