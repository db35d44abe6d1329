// Package sentinel fills the placeholders in a built web application.
//
// A build does not know the keys and addresses of the machine that will run it, so it leaves STACK_ENV_VAR_SENTINEL_<NAME>
// where the value of the variable <NAME> belongs. [Render] fills them in a copy of the build, or in the build itself, of which
// it then keeps the originals: either can be filled again with other values after keys or ports have changed.
package sentinel

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Marker is the file in a filled tree that says what it was filled with. A tree without it counts as one that never was.
const Marker = ".stack-sentinels-replaced"

// Originals is the directory, in a tree that is filled in place, of its files with sentinels as the build left them.
const Originals = ".stack-sentinels"

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

// state is what the marker says: which build was filled, and with what. While a tree is being filled it says nothing.
type state struct {
	Build  string   `json:"build"`  // digest of the names, sizes and times of its files
	Files  []string `json:"files"`  // those with sentinels, sorted
	Names  []string `json:"names"`  // of all sentinels in it, sorted
	Values string   `json:"values"` // digest of what they stood for
}

// Render makes target a filled copy of source and reports whether it had to: a target whose marker shows the same build and
// values is left alone, and for that no file of the build is read. When only the values are others, only the files with
// sentinels are written. All processors take part. What else is in target stays. A directory called node_modules is not
// copied but linked: it is most of a tree, and other people's.
//
// When target is source itself, its files are filled where they are. They are looked through once; remove the marker to have
// that done again.
func Render(source, target string, vars map[string]string) (bool, error) {
	changed := false
	build, err := buildOf(source, target)
	if err == nil {
		changed, err = render(build, target, vars)
	}
	if err != nil {
		return false, fmt.Errorf("sentinel: %w", err)
	}
	return changed, nil
}

// buildOf returns the directory that target is filled from.
func buildOf(source, target string) (string, error) {
	from, err := os.Stat(source)
	if err != nil {
		return "", err
	}
	if to, err := os.Stat(target); err != nil || !os.SameFile(from, to) {
		return source, nil
	}
	originals := filepath.Join(source, Originals)
	_, err = os.Lstat(filepath.Join(source, Marker))
	if errors.Is(err, fs.ErrNotExist) {
		err = setAside(source, originals)
	}
	return originals, errors.Join(err, os.MkdirAll(originals, 0o755))
}

// setAside links the files of root that have sentinels into originals. They outlive there what is put in their place, and
// need no more room. Nothing is in their place yet, so what an interrupted run has left in originals is not missed.
func setAside(root, originals string) error {
	if err := os.RemoveAll(originals); err != nil {
		return err
	}
	build, err := list(root, originals)
	if err != nil {
		return err
	}
	return build.each(func(e entry, from string) error {
		if !e.info.Mode().IsRegular() {
			return nil
		}
		return withText(from, e.info.Size(), func(text []byte) error {
			if !bytes.Contains(text, prefix) {
				return nil
			}
			to := filepath.Join(originals, e.path)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			return os.Link(from, to)
		})
	})
}

func render(source, target string, vars map[string]string) (bool, error) {
	build, err := list(source, target)
	if err != nil {
		return false, err
	}
	now := state{Build: build.digest()}
	if have, err := readMarker(target); err == nil && have.Build == now.Build {
		if have.Values == digest(have.Names, vars) {
			return false, nil
		}
		build = build.only(have.Files)
	}
	if err := errors.Join(os.MkdirAll(target, 0o755), state{}.write(target)); err != nil {
		return false, err
	}
	if now.Files, now.Names, err = build.fill(target, vars); err != nil {
		return false, err
	}
	now.Values = digest(now.Names, vars)
	return true, now.write(target)
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
