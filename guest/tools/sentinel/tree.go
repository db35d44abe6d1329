package sentinel

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// tree is a built application: its entries, directories before what is in them.
type tree struct {
	root    string // absolute
	entries []entry
}

type entry struct {
	path string // below the root
	info fs.FileInfo
}

// isModules says whether e holds the packages that the application uses.
func (e entry) isModules() bool { return e.info.IsDir() && filepath.Base(e.path) == "node_modules" }

// list finds the entries below root, without what this package keeps there, what is in skip, or in node_modules.
func list(root, skip string) (tree, error) {
	root, err := filepath.EvalSymlinks(root)
	if err == nil {
		root, err = filepath.Abs(root) // links lead there
	}
	if err != nil {
		return tree{}, err
	}
	t := tree{root: root}
	skipped, _ := os.Stat(skip) // nil, like no other, when it is not there
	err = filepath.WalkDir(root, func(path string, found fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := found.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		e := entry{relative, info}
		switch {
		case relative == Marker:
			return nil
		case info.IsDir() && (relative == Originals || os.SameFile(info, skipped)):
			return fs.SkipDir
		}
		t.entries = append(t.entries, e)
		if e.isModules() {
			return fs.SkipDir
		}
		return nil
	})
	return t, err
}

// only returns the files of t that are called so.
func (t tree) only(files []string) tree {
	part := tree{root: t.root}
	for _, e := range t.entries {
		if _, found := slices.BinarySearch(files, e.path); found {
			part.entries = append(part.entries, e)
		}
	}
	return part
}

func (t tree) digest() string {
	sum := sha256.New()
	for _, e := range t.entries {
		if e.info.IsDir() {
			fmt.Fprintf(sum, "%q %v\n", e.path, e.info.Mode())
		} else {
			fmt.Fprintf(sum, "%q %v %d %d\n", e.path, e.info.Mode(), e.info.Size(), e.info.ModTime().UnixNano())
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// each calls do for all entries, as many at a time as there are processors.
func (t tree) each(do func(e entry, path string) error) error {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, e := range t.entries {
		group.Go(func() error { return do(e, filepath.Join(t.root, e.path)) })
	}
	return group.Wait()
}

// fill copies the tree to target, with the sentinels of its files filled. It returns the files that have sentinels, and the
// names of these.
func (t tree) fill(target string, vars map[string]string) (files, names []string, err error) {
	for _, e := range t.entries {
		if !e.info.IsDir() || e.isModules() {
			continue
		}
		if err := os.MkdirAll(filepath.Join(target, e.path), e.info.Mode().Perm()|0o700); err != nil {
			return nil, nil, err
		}
	}
	var lock sync.Mutex
	inFiles, ofNames := map[string]bool{}, map[string]bool{}
	err = t.each(func(e entry, from string) error {
		return e.copy(from, filepath.Join(target, e.path), vars, func(name string) {
			lock.Lock()
			defer lock.Unlock()
			inFiles[e.path], ofNames[name] = true, true
		})
	})
	return slices.Sorted(maps.Keys(inFiles)), slices.Sorted(maps.Keys(ofNames)), err
}

// copy puts what e is at from in the place of what is at to. Directories are there already.
func (e entry) copy(from, to string, vars map[string]string, found func(string)) error {
	switch mode := e.info.Mode(); {
	case e.isModules():
		return replaceByLink(from, to)
	case mode&fs.ModeSymlink != 0:
		link, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return replaceByLink(link, to)
	case mode.IsRegular():
		return withText(from, e.info.Size(), func(text []byte) error {
			return e.replace(to, Replace(text, vars, found))
		})
	}
	return nil
}

func replaceByLink(link, to string) error {
	if err := remove(to); err != nil {
		return err
	}
	return os.Symlink(link, to)
}

// replace writes text to a new file, with the mode of e and, from root, its owner. What was at to may have another name, and
// keeps its content under that.
func (e entry) replace(to string, text []byte) (err error) {
	if err := remove(to); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := out.Write(text); err != nil {
		return err
	}
	if err := out.Chmod(e.info.Mode().Perm()); err != nil { // whatever the umask
		return err
	}
	owner, known := e.info.Sys().(*syscall.Stat_t)
	if !known || os.Geteuid() != 0 || owner.Uid == 0 && owner.Gid == 0 {
		return nil
	}
	return out.Chown(int(owner.Uid), int(owner.Gid))
}

// remove deletes a file or a link; a directory only if nothing is in it.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// buffers are for what is read of files: most have the same few sizes, and a build has thousands.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// withText calls do with the content of a file of about that size.
func withText(path string, size int64, do func(text []byte) error) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	text := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(text)
	text.Reset()
	text.Grow(int(size) + bytes.MinRead)
	if _, err := text.ReadFrom(in); err != nil {
		return err
	}
	return do(text.Bytes())
}
