package configdisk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stackemu/stackemu/guest/tools/isofile"
	"github.com/stackemu/stackemu/internal/iso"
)

// machine makes directories like /sys/block and /dev with a disk of zeros, one of random label, and more by name.
func machine(t *testing.T, disks map[string]string) (sysBlock, dev string) {
	t.Helper()
	sysBlock, dev = t.TempDir(), t.TempDir()
	for name, label := range disks {
		if err := os.Mkdir(filepath.Join(sysBlock, name), 0o755); err != nil {
			t.Fatal(err)
		}
		node := filepath.Join(dev, name)
		var err error
		if label == "" {
			err = os.WriteFile(node, make([]byte, 1<<20), 0o600)
		} else {
			err = iso.Write(node, label, map[string][]byte{"runtime.env": []byte("FROM=" + name + "\n")})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return sysBlock, dev
}

func TestReadFindsTheLabel(t *testing.T) {
	sysBlock, dev := machine(t, map[string]string{"vda": "", "vdb": "cidata", "vdc": "", "vdd": "STACKCFG", "loop0": "STACKCFG"})
	files, err := Read(sysBlock, dev, Label)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(files["runtime.env"]); got != "FROM=vdd\n" {
		t.Errorf("runtime.env = %q, want that of vdd", got)
	}
}

func TestReadWithoutTheDisk(t *testing.T) {
	sysBlock, dev := machine(t, map[string]string{"vda": "", "vdb": "OTHER"})
	if err := os.Mkdir(filepath.Join(sysBlock, "vdz"), 0o755); err != nil { // a device without a node
		t.Fatal(err)
	}
	if _, err := Read(sysBlock, dev, Label); !errors.Is(err, ErrNotFound) {
		t.Errorf("err = %v, want ErrNotFound", err)
	}
}

func TestReadTellsADamagedDiskFromNone(t *testing.T) {
	sysBlock, dev := machine(t, map[string]string{"vdd": "STACKCFG"})
	node := filepath.Join(dev, "vdd")
	if err := os.Truncate(node, 18*2048); err != nil { // the volume is there, the directory is not
		t.Fatal(err)
	}
	if _, err := Read(sysBlock, dev, Label); !errors.Is(err, isofile.ErrFormat) {
		t.Errorf("err = %v, want ErrFormat", err)
	}
}
