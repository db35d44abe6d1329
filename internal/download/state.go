package download

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/google/renameio/v2"
)

// state is what is known of a partial file. It lies beside it as JSON, and is written after what it speaks of was synced.
type state struct {
	Version  int    `json:"version"`
	Identity string `json:"identity"` // of what is fetched, in the caller's words
	ETag     string `json:"etag,omitempty"`
	Size     int64  `json:"size"`  // of the whole, in bytes
	Chunk    int64  `json:"chunk"` // bytes
	Done     []run  `json:"done"`  // chunks that are on the disk
}

// run is a run of chunks: from First up to, and not including, End.
type run struct {
	First int64 `json:"first"`
	End   int64 `json:"end"`
}

const (
	stateVersion = 1
	maxState     = 1 << 20 // bytes; a state of a terabyte in the worst order is smaller
)

// parseState reads a state and refuses what could not have been written.
func parseState(text []byte) (state, error) {
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return state{}, err
	}
	if s.Version != stateVersion || s.Size <= 0 || s.Chunk <= 0 || s.Chunk > 1<<40 || s.Size > 1<<60 || s.ETag != strongETag(s.ETag) {
		return state{}, errors.New("not a state of this version")
	}
	last := int64(0)
	for _, r := range s.Done {
		if r.First < last || r.End <= r.First || r.End > s.chunks() {
			return state{}, fmt.Errorf("chunks %d to %d of %d", r.First, r.End, s.chunks())
		}
		last = r.End
	}
	return s, nil
}

func (s state) chunks() int64 { return (s.Size + s.Chunk - 1) / s.Chunk }

// partial is the file that grows, and what is known of it. Its methods may be called from any goroutine.
type partial struct {
	path string
	file *os.File

	mu    sync.Mutex
	state state
	done  map[int64]bool
	front int64 // chunks before this one are all done
}

// statePath is where the state of a partial file lies.
func statePath(path string) string { return path + ".json" }

// openPartial opens the partial file. Unless it is of this identity it is begun anew.
func openPartial(path, identity string) (*partial, error) {
	p := &partial{path: path}
	p.state = readState(path, identity)
	flags := os.O_RDWR | os.O_CREATE | syscall.O_NOFOLLOW
	if p.state.Size == 0 {
		flags |= os.O_TRUNC
	}
	file, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	p.file = file
	if p.state.Size == 0 {
		_ = os.Remove(statePath(path))
	}
	p.state.Identity = identity
	p.done = map[int64]bool{}
	for _, r := range p.state.Done {
		for n := r.First; n < r.End; n++ {
			p.done[n] = true
		}
	}
	p.advance()
	return p, nil
}

// readState is the state of a partial file that can be gone on with, or an empty one.
func readState(path, identity string) state {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return state{}
	}
	about, err := os.Stat(statePath(path))
	if err != nil || about.Size() > maxState {
		return state{}
	}
	text, err := os.ReadFile(statePath(path))
	if err != nil {
		return state{}
	}
	s, err := parseState(text)
	if err != nil || s.Identity != identity || len(s.Done) > 0 && info.Size() < min(s.Done[len(s.Done)-1].End*s.Chunk, s.Size) {
		return state{}
	}
	return s
}

// begin notes what is fetched, once the server has said it.
func (p *partial) begin(size int64, etag string, chunk int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state{Version: stateVersion, Identity: p.state.Identity, ETag: etag, Size: size, Chunk: chunk}
}

// noteETag notes that of a file that comes as a whole.
func (p *partial) noteETag(etag string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.ETag = etag
}

// reset forgets everything that has arrived.
func (p *partial) reset() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state{Identity: p.state.Identity}
	p.done, p.front = map[int64]bool{}, 0
	err := os.Remove(statePath(p.path))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, p.file.Truncate(0))
}

// bounds are the first byte of a chunk, and the first after it.
func (p *partial) bounds(n int64) (from, end int64) {
	return n * p.state.Chunk, min((n+1)*p.state.Chunk, p.state.Size)
}

// missing are the chunks that are not there, in order.
func (p *partial) missing() (all []int64) {
	for n := range p.state.chunks() {
		if !p.done[n] {
			all = append(all, n)
		}
	}
	return all
}

// finish notes that a chunk has been written, and returns how many bytes are there from the start without a gap.
func (p *partial) finish(n int64) (front int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done[n] = true
	p.advance()
	return p.frontBytes()
}

func (p *partial) advance() {
	for p.done[p.front] {
		p.front++
	}
}

func (p *partial) frontBytes() int64 {
	_, end := p.bounds(p.front - 1)
	return max(end, 0)
}

// bytes is how much of the file is there.
func (p *partial) bytes() (sum int64) {
	for n := range p.done {
		from, end := p.bounds(n)
		sum += end - from
	}
	return sum
}

// checkpoint syncs what is there, and then says so in the state. What arrives meanwhile counts with the next one.
func (p *partial) checkpoint() error {
	p.mu.Lock()
	s := p.state
	s.Done = runs(p.done)
	p.mu.Unlock()
	if s.Size == 0 {
		return nil // nothing is known that could be gone on with
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return renameio.WriteFile(statePath(p.path), append(text, '\n'), 0o600, renameio.WithTempDir(filepath.Dir(p.path)))
}

func runs(done map[int64]bool) (all []run) {
	numbers := make([]int64, 0, len(done))
	for n := range done {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		if last := len(all) - 1; last >= 0 && all[last].End == n {
			all[last].End++
			continue
		}
		all = append(all, run{n, n + 1})
	}
	return all
}

// allocated is the room that the file takes on the disk, in bytes.
func (p *partial) allocated() int64 {
	info, err := p.file.Stat()
	if err != nil {
		return 0
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return info.Size()
}

// Discard removes a partial file and what is known of it.
func Discard(path string) error {
	var errs []error
	for _, name := range []string{statePath(path), path} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
