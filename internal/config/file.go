package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// FileName is what a project's file is called.
const FileName = "stackemu.yaml"

// FileVariable names the project's file, in the place of the search for it. NoFiles as its value reads no file at all, not
// even the user's own.
const (
	FileVariable = "STACKEMU_CONFIG"
	NoFiles      = "none"
)

// maxFile bounds a file, in bytes.
const maxFile = 256 << 10

// File is a file of settings, after it was read.
type File struct {
	Path     string
	Project  bool // it may have come with somebody else's code; else it is the user's own
	Problems []error

	user     string // the home directory
	values   map[string]value
	profiles []described
}

// value is what a file has for a setting.
type value struct {
	line  int
	texts []string // lists have several
}

func (f *File) origin(line int) Origin {
	if f.Project {
		return Origin{Kind: OfProject, File: f.Path, Line: line}
	}
	return Origin{Kind: OfUser, File: f.Path, Line: line}
}

// FileError tells what is wrong with a line of a file.
type FileError struct {
	Path string
	Line int // 0 when it is about all of the file
	Err  error
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.Path, e.Line, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// readFiles reads the project's file and the user's own, as far as there are such.
func (r *resolver) readFiles() {
	named, isNamed := r.variable(FileVariable)
	if isNamed && named == NoFiles {
		return
	}
	own := r.userFile()
	project := absolute(named, r.Dir)
	if !isNamed {
		project = r.findProject()
	}
	for _, path := range []string{project, own} {
		if path == "" || path == own && !exists(own) {
			continue
		}
		f := r.readFile(path, path != own, path == project && !isNamed)
		r.files, r.errs = append(r.files, f), append(r.errs, f.Problems...)
		if project == own {
			return
		}
	}
}

// findProject looks for a project's file from the working directory upwards. It does not look above the top folder of a git
// worktree, nor in the home directory, which is no project, or above it. "" if there is none.
func (r *resolver) findProject() string {
	user, _ := r.variable("HOME")
	for dir := r.Dir; !same(dir, user); dir = filepath.Dir(dir) {
		if path := filepath.Join(dir, FileName); exists(path) {
			return path
		}
		if exists(filepath.Join(dir, ".git")) || dir == filepath.Dir(dir) {
			break
		}
	}
	return ""
}

// userFile is where the user's own file is, or would be.
func (r *resolver) userFile() string {
	if dir, ok := r.variable("XDG_CONFIG_HOME"); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, "stackemu", "config.yaml")
	}
	user, ok := r.variable("HOME")
	if !ok || !filepath.IsAbs(user) {
		return ""
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(user, "Library", "Application Support", "stackemu", "config.yaml")
	}
	return filepath.Join(user, ".config", "stackemu", "config.yaml")
}

// same says whether two paths lead to one directory.
func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// readFile reads a file. One that was merely found has to be the user's: in a folder that others can write to it might be
// anybody's.
func (r *resolver) readFile(path string, project, found bool) *File {
	text, err := readText(path, found)
	if err != nil {
		return &File{Path: path, Project: project, Problems: []error{&FileError{Path: path, Err: err}}}
	}
	user, _ := r.variable("HOME")
	return parse(path, project, user, text)
}

func readText(path string, found bool) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would hold us up
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			return nil, at.Err // the path is said already
		}
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a file")
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); found && ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("belongs to another user (%d), and was found by accident: set %s to the path of the file that you mean, or to %s",
			owner.Uid, FileVariable, NoFiles)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("has more than %d KiB", maxFile>>10)
	}
	return text, err
}

// Check says what is wrong with a file, if anything, as if it were alone. The user's own may say more than a project's.
func (s Sources) Check(path string) []error {
	user, _ := (&resolver{Sources: s}).variable("HOME")
	alone := Sources{Lookup: func(name string) (string, bool) { return user, name == "HOME" }}
	r := &resolver{Sources: alone, origins: map[string]Origin{}}
	own := (&resolver{Sources: s}).userFile()
	f := r.readFile(path, path != own, false)
	r.files, r.errs = []*File{f}, f.Problems
	r.settleAll()
	return r.errs
}
