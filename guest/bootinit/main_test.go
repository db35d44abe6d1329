package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestExt4Label(t *testing.T) {
	disk := make([]byte, 4096)
	disk[1024+0x38], disk[1024+0x39] = 0x53, 0xEF
	copy(disk[1024+0x78:], "stack-root")
	path := filepath.Join(t.TempDir(), "disk")
	write(t, path, disk)
	if label, err := ext4Label(path); err != nil || label != "stack-root" {
		t.Errorf("%q, %v", label, err)
	}
	disk[1024+0x38] = 0
	write(t, path, disk)
	if label, err := ext4Label(path); err == nil {
		t.Errorf("another file system has the label %q", label)
	}
	write(t, path, disk[:100])
	if _, err := ext4Label(path); err == nil {
		t.Error("no error for a disk that is too short")
	}
}

func TestLinkPorts(t *testing.T) {
	sys, dev := t.TempDir(), t.TempDir()
	if err := linkPorts(sys, dev); err != nil { // no ports at all
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(sys, "vport4p1"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(sys, "vport4p1", "name"), []byte("org.qemu.guest_agent.0\n"))
	if err := linkPorts(sys, dev); err != nil {
		t.Fatal(err)
	}
	target, err := os.Readlink(filepath.Join(dev, "virtio-ports", "org.qemu.guest_agent.0"))
	if err != nil || target != "../vport4p1" {
		t.Errorf("%q, %v", target, err)
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
