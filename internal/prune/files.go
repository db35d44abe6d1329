package prune

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu"
)

// downloads are those of images that nobody goes on with. Their lock is the image's.
func (p *pruning) downloads(context.Context) error {
	var errs []error
	for _, image := range p.unfinished() {
		free, unlock := try(image.Lock)
		for _, path := range []string{image.Partial, image.New} {
			info, err := os.Lstat(path)
			switch {
			case err != nil || p.now.Sub(info.ModTime()) < DownloadAge:
			case !free:
				p.result.Held = append(p.result.Held, Item{Kind: Download, Path: path, Why: "another process writes the image"})
			default:
				errs = append(errs, p.removeDownload(path, info.ModTime()))
			}
		}
		unlock()
	}
	return errors.Join(errs...)
}

// removeDownload removes the file, and what is known of it, which is of no use without.
func (p *pruning) removeDownload(path string, last time.Time) error {
	err := p.remove(Download, path, "a download that nobody has gone on with since "+ago(last))
	if about := path + ".json"; err == nil && !p.dry {
		_ = os.Remove(about)
	}
	return err
}

// unfinished are the images of which there is a part.
func (p *pruning) unfinished() (images []home.Image) {
	seen := map[string]bool{}
	for _, e := range entries(p.home.Images) {
		for _, suffix := range []string{".part", ".new"} {
			disk, ok := strings.CutSuffix(e.Name(), ".qcow2"+suffix)
			if ok && !seen[disk] {
				seen[disk] = true
				images = append(images, home.ImageAt(filepath.Join(p.home.Images, disk+".qcow2")))
			}
		}
	}
	return images
}

// try takes a lock if nobody has it. One that is not there is nobody's.
func try(path string) (free bool, unlock func()) {
	if _, err := os.Stat(path); err != nil {
		return true, func() {}
	}
	lock := flock.New(path, flock.SetPermissions(0o600))
	free, err := lock.TryLock()
	return free && err == nil, func() { _ = lock.Close() }
}

// instances looks at those that do not run.
func (p *pruning) instances(context.Context) error {
	names, err := p.home.Instances()
	errs := []error{err}
	for _, name := range names {
		errs = append(errs, p.instance(name))
	}
	for _, e := range entries(p.home.Run) {
		if strings.HasPrefix(e.Name(), instance.GonePrefix) {
			errs = append(errs, p.remove(Leftover, filepath.Join(p.home.Run, e.Name()), "an instance that was being removed"))
		}
	}
	return errors.Join(errs...)
}

func (p *pruning) instance(name string) error {
	files, err := p.home.Instance(name)
	if err != nil {
		return err
	}
	last := touched(files) // before the lock is taken, which touches it
	i, err := instance.Open(p.Config, name)
	if held := (*instance.HeldError)(nil); errors.As(err, &held) {
		return nil // it is in use, and its next start tidies up
	}
	if err != nil {
		return err
	}
	defer i.Close()
	if i.Runs() {
		return nil
	}
	if !i.HasData() && p.now.Sub(last) > UnusedAge {
		return p.discard(i, last)
	}
	var errs []error
	for _, path := range i.Leftovers(p.now.Add(-BrokenAge)) {
		if strings.HasPrefix(filepath.Base(path), filepath.Base(i.Files.Session)+".broken") {
			errs = append(errs, p.remove(Session, path, "a session that could not be resumed, and was set aside"))
			continue
		}
		errs = append(errs, p.remove(Leftover, path, "a run that was cut off has left it"))
	}
	return errors.Join(errs...)
}

// discard removes an instance that is nothing but logs.
func (p *pruning) discard(i *instance.Instance, last time.Time) error {
	item := Item{Kind: Instance, Path: i.Files.Dir, Bytes: snapshot.Allocated(i.Files.Dir),
		Why: "the logs of an instance without data, unused since " + ago(last)}
	if !p.dry {
		if err := i.Discard(); err != nil {
			return err
		}
	}
	p.result.Removed = append(p.result.Removed, item)
	return nil
}

// touched is when something of an instance was last written to. Its lock tells of prunes, too.
func touched(files home.Instance) (last time.Time) {
	if info, err := os.Stat(files.Dir); err == nil {
		last = info.ModTime()
	}
	for _, e := range entries(files.Dir) {
		info, err := e.Info()
		if err == nil && info.ModTime().After(last) && e.Name() != filepath.Base(files.Lock) {
			last = info.ModTime()
		}
	}
	return last
}

// scrap is what commands that were killed have left beside the images.
var scrap = []string{".image-build-", "bench-", ".name-", ".placeholder-", ".doctor-"}

// scraps are temporary files and directories. Nothing tells who has them but their age.
func (p *pruning) scraps(context.Context) error {
	var errs []error
	for _, e := range entries(p.home.Images) {
		path := filepath.Join(p.home.Images, e.Name())
		isScrap := slices.ContainsFunc(scrap, func(prefix string) bool { return strings.HasPrefix(e.Name(), prefix) })
		isTemporary := strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), ".tmp")
		if !isScrap && !isTemporary || p.now.Sub(newest(path)) < scrapAge {
			continue
		}
		if vm := runs(path); vm != "" {
			p.result.Held = append(p.result.Held, Item{Kind: Leftover, Path: path, Why: "a VM runs in it (" + vm + ")"})
			continue
		}
		errs = append(errs, p.remove(Leftover, path, "a command that was killed has left it on "+ago(newest(path))))
	}
	return errors.Join(errs...)
}

// runs is the file of a VM that lives in a directory, "" for none.
func runs(dir string) (file string) {
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == "qemu.pid" {
			if id, err := qemu.ReadPID(path); err == nil && id.Alive() {
				file = path
			}
		}
		return nil
	})
	return file
}

// newest is when something in a directory was last written to.
func newest(path string) (last time.Time) {
	_ = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := e.Info(); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
		return nil
	})
	return last
}

// entries are those of a directory; one that is not there has none.
func entries(dir string) []os.DirEntry {
	all, _ := os.ReadDir(dir)
	return all
}
