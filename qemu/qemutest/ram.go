package qemutest

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

var (
	ramArg  = regexp.MustCompile(`^memory-backend-[a-z]+,id=ram0,size=(\d+)M`)
	fileArg = regexp.MustCompile(`,mem-path=((?:[^,]|,,)*),share=(on|off)`)
)

// marker is what the fake's guest keeps in its RAM: at 0 from the start, at 4096 once it has been resumed.
const marker = "the fake's RAM\n"

// mapRAM maps the RAM file as QEMU does, and has the guest write to it.
func (m *machine) mapRAM() error {
	for _, a := range m.args {
		size := ramArg.FindStringSubmatch(a)
		if size == nil {
			continue
		}
		mib, err := strconv.Atoi(size[1])
		if err != nil {
			return err
		}
		m.ramSize = mib << 20
		if file := fileArg.FindStringSubmatch(a); file != nil {
			return m.mapFile(strings.ReplaceAll(file[1], ",,", ","), file[2] == "on")
		}
	}
	return nil
}

// mapFile maps the file. A shared one is made if it is not there; a private one must be there and whole.
func (m *machine) mapFile(path string, shared bool) error {
	flags, kind := os.O_RDONLY, syscall.MAP_PRIVATE
	if shared {
		flags, kind = os.O_RDWR|os.O_CREATE, syscall.MAP_SHARED
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return fmt.Errorf("can't open backing store %s for guest RAM: %s", path, reason(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.Size() == 0 && shared {
		err = f.Truncate(int64(m.ramSize))
	} else if err == nil && info.Size() != int64(m.ramSize) {
		err = fmt.Errorf("backing store size %#x does not match 'size' option %#x", info.Size(), m.ramSize)
	}
	if err != nil {
		return err
	}
	ram, err := syscall.Mmap(int(f.Fd()), 0, m.ramSize, syscall.PROT_READ|syscall.PROT_WRITE, kind)
	if err != nil {
		return err
	}
	at := 0
	if !shared {
		at = 4096
	}
	copy(ram[at:], marker)
	m.ram = ram
	return nil
}
