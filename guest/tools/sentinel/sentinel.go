// Package sentinel fills the placeholders in a built web application.
//
// A build does not know the keys and addresses of the machine that will run it, so it leaves STACK_ENV_VAR_SENTINEL_<NAME>
// where the value of the variable <NAME> belongs. [Render] copies the built tree and fills them in the copy; the build
// itself is never touched, so that it can be filled again with other values after keys or ports have changed.
package sentinel

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Marker is the file in a filled tree that says what it was filled with.
const Marker = ".stack-sentinels-replaced"

var prefix = []byte("STACK_ENV_VAR_SENTINEL_")

// Replace returns text with each sentinel replaced by the value of its variable, and tells found of the name of each. A
// sentinel of a variable that is not set stays. A name goes as far as capitals, digits and "_" go. A text without sentinels
// is returned as it is.
func Replace(text []byte, vars map[string]string, found func(name string)) []byte {
	var filled []byte
	done := 0 // what of text is in filled
	for at := 0; ; {
		n := bytes.Index(text[at:], prefix)
		if n < 0 {
			break
		}
		begin := at + n
		at = begin + len(prefix)
		end := at
		for end < len(text) && inName(text[end], end == at) {
			end++
		}
		if end == at {
			continue
		}
		name := string(text[at:end])
		at = end
		found(name)
		if value, set := vars[name]; set {
			filled = append(append(filled, text[done:begin]...), value...)
			done = end
		}
	}
	if done == 0 {
		return text
	}
	return append(filled, text[done:]...)
}

func inName(c byte, first bool) bool {
	return 'A' <= c && c <= 'Z' || !first && ('0' <= c && c <= '9' || c == '_')
}

// state is what the marker says: which build was filled, and with what.
type state struct {
	Build  string   `json:"build"`  // digest of the names, sizes and times of its files
	Names  []string `json:"names"`  // of all sentinels in it, sorted
	Values string   `json:"values"` // digest of what they stood for
}

// Render makes target a filled copy of source and reports whether it had to: a target whose marker shows the same build
// and values is left alone, and for that no file of the build is read. The copy is made beside target, with all processors,
// and renamed.
func Render(source, target string, vars map[string]string) (bool, error) {
	build, err := list(source)
	if err != nil {
		return false, fmt.Errorf("sentinel: %w", err)
	}
	now := state{Build: build.digest()}
	if have, err := readMarker(target); err == nil && have.Build == now.Build && have.Values == digest(have.Names, vars) {
		return false, nil
	}
	fresh := target + ".new"
	err = os.RemoveAll(fresh)
	if err == nil {
		now.Names, err = build.fill(fresh, vars)
	}
	if err == nil {
		now.Values = digest(now.Names, vars)
		err = now.write(fresh)
	}
	if err = errors.Join(err, os.RemoveAll(target)); err == nil {
		err = os.Rename(fresh, target)
	}
	if err != nil {
		return false, fmt.Errorf("sentinel: %w", err)
	}
	return true, nil
}

func readMarker(target string) (s state, err error) {
	text, err := os.ReadFile(filepath.Join(target, Marker))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, err
}

func (s state) write(target string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(target, Marker), append(text, '\n'), 0o644)
}

// digest covers the values that sentinels stand for.
func digest(names []string, vars map[string]string) string {
	sum := sha256.New()
	for _, name := range names {
		value, set := vars[name]
		fmt.Fprintf(sum, "%s %v %q\n", name, set, value)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// tree is a built application: its entries, directories before what is in them.
type tree struct {
	root    string
	entries []entry
}

type entry struct {
	path string // below the root
	info fs.FileInfo
}

func list(root string) (tree, error) {
	t := tree{root: root}
	err := filepath.WalkDir(root, func(path string, found fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := found.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		t.entries = append(t.entries, entry{relative, info})
		return err
	})
	return t, err
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

// fill copies the tree to target, with the sentinels of its files filled, and returns the names of all of them.
func (t tree) fill(target string, vars map[string]string) ([]string, error) {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	var lock sync.Mutex
	names := map[string]bool{}
	found := func(name string) {
		lock.Lock()
		defer lock.Unlock()
		names[name] = true
	}
	for _, e := range t.entries {
		from, to := filepath.Join(t.root, e.path), filepath.Join(target, e.path)
		switch mode := e.info.Mode(); {
		case mode.IsDir():
			if err := os.MkdirAll(to, mode.Perm()|0o700); err != nil {
				return nil, errors.Join(err, group.Wait())
			}
		case mode&fs.ModeSymlink != 0:
			group.Go(func() error { return copyLink(from, to) })
		case mode.IsRegular():
			group.Go(func() error { return fillFile(from, to, e.info, vars, found) })
		}
	}
	err := group.Wait()
	return slices.Sorted(maps.Keys(names)), err
}

func copyLink(from, to string) error {
	link, err := os.Readlink(from)
	if err != nil {
		return err
	}
	return os.Symlink(link, to)
}

// buffers are for what is read of files: most have the same few sizes, and a build has thousands.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func fillFile(from, to string, info fs.FileInfo, vars map[string]string, found func(string)) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	text := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(text)
	text.Reset()
	text.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := text.ReadFrom(in); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, bytes.NewReader(Replace(text.Bytes(), vars, found)))
	return err
}
