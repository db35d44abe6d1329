package snapshot

import (
	"fmt"
	"path/filepath"
)

// Files are the paths of a snapshot's files. Those of the other format are named too, and not there.
type Files struct {
	RAM    string // lazy: as long as the guest's RAM
	State  string // lazy
	Savevm string // mapped-ram: made again from Packed when it is missing
	Packed string // mapped-ram: the same, compressed
	Disk   string // qcow2, on [Files.Base] by its relative name
	Base   string // the image, by a hard link
}

// Names of a snapshot's files.
const (
	ramName      = "ram.img"
	stateName    = "device.state"
	savevmName   = "savevm.raw"
	diskName     = "disk.qcow2"
	baseName     = "base.qcow2"
	manifestName = "manifest.json"
	lockName     = "lock"
	strikesName  = "strikes"
	causeName    = "cause"
)

func filesIn(dir string) Files {
	in := func(name string) string { return filepath.Join(dir, name) }
	return Files{RAM: in(ramName), State: in(stateName), Savevm: in(savevmName), Packed: in(packedName(savevmName)), Disk: in(diskName), Base: in(baseName)}
}

// FilesUnder are the paths of the files of whatever snapshot is in use under a key, now or later, in the store in dir. They
// are for naming them to people: who opens them without a hold may find another generation behind each.
func FilesUnder(dir, key string) Files { return filesIn(filepath.Join(dir, key)) }

// names are the files that a snapshot of the format consists of.
func (f Format) names() ([]string, error) {
	switch f {
	case Lazy:
		return []string{ramName, stateName, diskName, baseName}, nil
	case MappedRAM:
		return []string{savevmName, diskName, baseName}, nil
	}
	return nil, fmt.Errorf("unknown format %q", f)
}
