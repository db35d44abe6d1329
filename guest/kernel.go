package guest

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/ulikunitz/xz"
)

// initrdModules are the kernel modules that every boot loads, from the initial RAM disk, each after those it needs; the
// paths are relative to the kernel's module directory. virtio and virtio_pci are built in. Only the first six are needed
// to reach the root; but loading one from there costs a tenth of what modprobe makes of it, and what the host captures
// must have those for its mounts and for the power button.
var initrdModules = []string{
	"crypto/crc32c_generic",
	"fs/jbd2/jbd2",
	"fs/mbcache",
	"lib/crc16",
	"fs/ext4/ext4",
	"drivers/block/virtio_blk",
	"net/core/failover",
	"drivers/net/net_failover",
	"drivers/net/virtio_net",
	"drivers/char/hw_random/virtio-rng",
	"fs/netfs/netfs",
	"net/9p/9pnet",
	"net/9p/9pnet_virtio",
	"fs/9p/9p",
	"drivers/input/evdev",
}

// diskModules stay on the disk for modprobe beside those: directories or single modules. All others (100 MB of drivers
// for hardware that QEMU does not show) are deleted.
var diskModules = []string{
	"crypto/", "lib/", "fs/isofs/", "fs/overlayfs/", "fs/fuse/", "fs/nls/", "drivers/block/loop", "drivers/cdrom/cdrom",
	"drivers/net/tun", "drivers/net/veth",
}

// kernelParts is what passes by in the VM's root and is needed to boot it.
type kernelParts struct {
	wanted  []string          // modules of the initial RAM disk
	image   []byte            // bzImage on amd64, on arm64 a program for UEFI
	loader  []byte            // systemd's boot loader for UEFI, where its package is installed
	modules map[string][]byte // by path as in wanted, uncompressed
}

// loaderDir is where the package systemd-boot-efi has the boot loader, and what else it has.
const loaderDir = "/usr/lib/systemd/boot/efi/"

// keep is the filter for the kernel's files: it notes what the initrd needs and leaves out what nobody needs.
func (k *kernelParts) keep(h *tar.Header, data io.Reader) (bool, error) {
	p := path.Clean("/" + h.Name)
	switch {
	case strings.HasPrefix(p, "/boot/vmlinuz-"):
		image, err := io.ReadAll(data)
		k.image = image
		return false, err
	case strings.HasPrefix(p, loaderDir+"systemd-boot"):
		loader, err := io.ReadAll(data)
		k.loader = loader
		return false, err
	case strings.HasPrefix(p, loaderDir):
		return false, nil
	case strings.HasPrefix(p, "/boot/"), p == "/vmlinuz", p == "/vmlinuz.old", p == "/initrd.img", p == "/initrd.img.old":
		return false, nil
	}
	if module, ok := moduleName(p); ok && slices.Contains(k.wanted, module) {
		return false, k.take(module, p, data) // loaded from there; nobody needs it again
	}
	return true, nil
}

// moduleName turns /usr/lib/modules/VERSION/kernel/fs/ext4/ext4.ko.xz into fs/ext4/ext4.
func moduleName(p string) (string, bool) {
	_, rest, ok := strings.Cut(p, "/lib/modules/")
	if !ok {
		return "", false
	}
	_, rest, ok = strings.Cut(rest, "/kernel/")
	name, _, isModule := strings.Cut(rest, ".ko")
	return name, ok && isModule
}

func (k *kernelParts) take(module, p string, data io.Reader) error {
	var err error
	if strings.HasSuffix(p, ".xz") {
		if data, err = xz.NewReader(data); err != nil {
			return err
		}
	}
	raw, err := io.ReadAll(data)
	if err != nil {
		return err
	}
	if k.modules == nil {
		k.modules = map[string][]byte{}
	}
	k.modules[module] = stripSignature(raw)
	return nil
}

// initrd makes the initial RAM disk: bootinit, the label of the root that it looks for, and the modules in the order in
// which they are wanted.
func (k *kernelParts) initrd(bootinit []byte) ([]byte, error) {
	files := []cpioFile{
		{Name: "init", Mode: 0o755, Data: bootinit},
		{Name: "root.label", Mode: 0o644, Data: []byte(rootLabel)},
	}
	var order strings.Builder
	for _, module := range k.wanted {
		data, ok := k.modules[module]
		if !ok {
			return nil, fmt.Errorf("kernel: module %s is missing", module)
		}
		name := path.Base(module) + ".ko"
		files = append(files, cpioFile{Name: "modules/" + name, Mode: 0o644, Data: data})
		fmt.Fprintln(&order, name)
	}
	files = append(files, cpioFile{Name: "modules/order", Mode: 0o644, Data: []byte(order.String())})
	var out bytes.Buffer
	err := writeCPIO(&out, files)
	return out.Bytes(), err
}

// signatureMagic ends a signed module; before it lies struct module_signature, whose last four bytes are the length of
// the signature (kernel: include/linux/module_signature.h).
const (
	signatureMagic  = "~Module signature appended~\n"
	signatureHeader = 12
)

// stripSignature removes a module's signature. Debian's kernel loads unsigned modules too, and checking 3 MB of them
// costs 0.3 s of each boot under TCG. What the modules are was checked by apt when the image was built.
func stripSignature(module []byte) []byte {
	body, ok := bytes.CutSuffix(module, []byte(signatureMagic))
	if !ok || len(body) < signatureHeader {
		return module
	}
	length := int(binary.BigEndian.Uint32(body[len(body)-4:]))
	if length > len(body)-signatureHeader {
		return module
	}
	return body[:len(body)-signatureHeader-length]
}
