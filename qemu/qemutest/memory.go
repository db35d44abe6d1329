package qemutest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/stackemu/stackemu/qemu"
)

// memory is what the fake's guest knows. It is kept in three places, as the state of a real guest is: in RAM, on the disk,
// and, when the machine is saved, with the devices. A load whose three places are not of the same moment fails. QEMU would
// not notice, but a real guest would damage its disk.
type memory struct {
	Key    string `json:"key"`    // publishable client key
	Moment string `json:"moment"` // that of the last save
}

// Where a memory is kept, in bytes from the start. On a disk that is behind all that [Qcow2] makes.
const (
	memoryInRAM  = 8192
	memoryOnDisk = 256 << 10
	memorySize   = 4096
)

// memoryMark is what a memory begins with.
const memoryMark = "the fake's guest "

// encode fills the place of a memory.
func (v memory) encode() []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	b := make([]byte, memorySize)
	copy(b, memoryMark+string(text)+"\n")
	return b
}

// decodeMemory returns the memory that b begins with, if it does.
func decodeMemory(b []byte) (v memory, ok bool) {
	text, ok := bytes.CutPrefix(b, []byte(memoryMark))
	if !ok {
		return v, false
	}
	text, _, _ = bytes.Cut(text, []byte("\n"))
	return v, json.Unmarshal(text, &v) == nil
}

// bootGuest opens the guest's disk, which may be renamed under it. A guest that boots knows what is on it.
func (m *machine) bootGuest() error {
	if m.disk() == "" {
		m.script.Guest = nil // a QEMU that is only asked what it can do
	}
	if m.script.Guest == nil {
		return nil
	}
	var err error
	if m.diskFile, err = os.OpenFile(m.disk(), os.O_RDWR, 0); err != nil || m.resumed() {
		return err
	}
	var ok bool
	if m.memory, ok, err = readDisk(m.diskFile); !ok {
		m.memory = memory{Key: PlaceholderKey}
	}
	return err
}

// resumed tells whether the guest goes on instead of booting.
func (m *machine) resumed() bool { return has(m.args, "-incoming", "") }

// saveGuest makes this a moment of the guest and returns what belongs into the file with the devices.
func (m *machine) saveGuest() ([]byte, error) {
	if m.script.Guest == nil {
		return nil, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.memory.Moment = rand.Text()
	return m.memory.encode(), m.keepMemory()
}

// keepMemory writes to RAM and disk. The caller has the lock.
func (m *machine) keepMemory() error {
	text := m.memory.encode()
	if m.ram != nil {
		copy(m.ram[memoryInRAM:], text)
	}
	_, err := m.diskFile.WriteAt(text, memoryOnDisk)
	return err
}

// loadGuest is the start of a guest that goes on. state is the file with the devices.
func (m *machine) loadGuest(state []byte) error {
	if m.script.Guest == nil {
		return nil
	}
	_, text, _ := bytes.Cut(state, []byte("\n")) // behind the line with the kind
	saved, ok := decodeMemory(text)
	if !ok {
		return fmt.Errorf("the devices are not those of a guest")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.ram == nil:
	case hasRAM(state):
		copy(m.ram[memoryInRAM:], saved.encode())
	default:
		if found, _ := decodeMemory(m.ram[memoryInRAM:]); found != saved {
			return fmt.Errorf("RAM is of another moment than the devices: %+v, %+v", found, saved)
		}
	}
	found, _, err := readDisk(m.diskFile)
	if err != nil {
		return err
	}
	if found != saved {
		return fmt.Errorf("the disk is of another moment than the devices: %+v, %+v", found, saved)
	}
	m.memory = saved
	return nil
}

var diskArg = regexp.MustCompile(`format=qcow2.*,file=((?:[^,]|,,)*)`)

// disk returns the path of the disk that the guest writes to.
func (m *machine) disk() string {
	i := slices.IndexFunc(m.args, diskArg.MatchString)
	if i < 0 {
		return ""
	}
	return strings.ReplaceAll(diskArg.FindStringSubmatch(m.args[i])[1], ",,", ",")
}

// readDisk returns what the guest has written to its disk, or to the topmost of those below that has anything.
func readDisk(f *os.File) (v memory, ok bool, err error) {
	b := make([]byte, memorySize)
	if n, _ := f.ReadAt(b, memoryOnDisk); n > 0 {
		if v, ok = decodeMemory(b[:n]); ok {
			return v, true, nil
		}
	}
	h, err := qemu.ReadHeader(f)
	if err != nil || h.BackingFile == "" {
		return v, false, err
	}
	below := h.BackingFile
	if !filepath.IsAbs(below) {
		below = filepath.Join(filepath.Dir(f.Name()), below)
	}
	base, err := os.Open(below)
	if err != nil {
		return v, false, err
	}
	defer base.Close()
	return readDisk(base)
}
