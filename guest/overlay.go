package guest

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"
	"time"
)

// entry is one file that a build adds to a root: what a package's file table would say about it.
type entry struct {
	Path string // absolute
	Mode fs.FileMode
	Data []byte
	Link string // symbolic link to this; Data is empty then
}

// buildTime stamps what we add. It is constant: the same inputs give the same tar.
var buildTime = time.Unix(1_700_000_000, 0)

// rootWriter writes a root as a tar stream, below an optional prefix.
type rootWriter struct {
	tw     *tar.Writer
	prefix string // without a slash at its end
	made   map[string]bool
}

func newRootWriter(tw *tar.Writer, prefix string) *rootWriter {
	return &rootWriter{tw: tw, prefix: prefix, made: map[string]bool{"/": true, ".": true}}
}

// name is where in the tar a path of this root lies.
func (w *rootWriter) name(p string) string { return "." + w.prefix + path.Clean("/"+p) }

// add writes entries with the directories above them that nothing has written yet.
func (w *rootWriter) add(entries ...entry) error {
	for _, e := range entries {
		if err := w.parents(e.Path); err != nil {
			return err
		}
		h := &tar.Header{Name: w.name(e.Path), Mode: int64(e.Mode.Perm()), ModTime: buildTime, Format: tar.FormatPAX}
		switch {
		case e.Link != "":
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, e.Link, 0o777
		case e.Mode.IsDir():
			h.Typeflag = tar.TypeDir
			w.made[path.Clean(e.Path)] = true
		default:
			h.Typeflag, h.Size = tar.TypeReg, int64(len(e.Data))
		}
		if err := w.tw.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		if _, err := w.tw.Write(e.Data); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	return nil
}

func (w *rootWriter) parents(p string) error {
	dir := path.Dir(path.Clean(p))
	if w.made[dir] {
		return nil
	}
	if err := w.parents(dir); err != nil {
		return err
	}
	w.made[dir] = true
	return w.tw.WriteHeader(&tar.Header{
		Typeflag: tar.TypeDir, Name: w.name(dir) + "/", Mode: 0o755, ModTime: buildTime, Format: tar.FormatPAX,
	})
}

// copyFrom passes the entries of a root's tar stream through, but for those that keep refuses. keep may read the data of
// an entry that it refuses.
func (w *rootWriter) copyFrom(r io.Reader, keep func(*tar.Header, io.Reader) (bool, error)) error {
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return drain(r)
		}
		if err != nil {
			return err
		}
		p := path.Clean("/" + h.Name)
		if p == "/" && w.prefix == "" {
			continue
		}
		ok, err := keep(h, tr)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		if !ok {
			continue
		}
		if err := w.copyEntry(p, h, tr); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
}

func (w *rootWriter) copyEntry(p string, h *tar.Header, data io.Reader) error {
	h.Name = w.name(p)
	if h.Typeflag == tar.TypeDir {
		h.Name = strings.TrimSuffix(h.Name, "/") + "/"
		w.made[p] = true
	}
	if h.Typeflag == tar.TypeLink {
		h.Linkname = w.name(h.Linkname)
	}
	h.Format, h.PAXRecords, h.Uname, h.Gname = tar.FormatPAX, nil, "", ""
	h.ModTime, h.AccessTime, h.ChangeTime = h.ModTime.Truncate(time.Second), time.Time{}, time.Time{}
	if err := w.tw.WriteHeader(h); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	_, err := io.Copy(w.tw, data)
	return err
}

// drain reads what follows the end of the archive, so that its writer does not die of a closed pipe.
func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// isDevice reports whether an entry is a device node. None is needed: /dev is made anew by kernel and crun, and a user
// namespace may not create them.
func isDevice(h *tar.Header) bool {
	return h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock || h.Typeflag == tar.TypeFifo
}

// entriesOf returns the files of an embedded tree below dir as entries below /.
func entriesOf(tree fs.FS, dir string, mode func(fs.DirEntry) fs.FileMode) ([]entry, error) {
	var entries []entry
	err := fs.WalkDir(tree, dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, p)
		if err != nil {
			return err
		}
		target := path.Clean("/" + strings.TrimPrefix(p, dir))
		entries = append(entries, entry{Path: target, Mode: mode(d), Data: data})
		return nil
	})
	sort.Slice(entries, func(i, j int) bool { return entries[i].Path < entries[j].Path })
	return entries, err
}
