package guest

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

const moduleDir = "./usr/lib/modules/6.1-x/kernel/"

func TestKernelParts(t *testing.T) {
	k := kernelParts{wanted: append([]string{"arch/x86/crypto/crc32c-intel"}, initrdModules...)}
	keep := func(name, data string) bool {
		t.Helper()
		ok, err := k.keepInVM(&tar.Header{Typeflag: tar.TypeReg, Name: name}, strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	for name, want := range map[string]bool{
		"./boot/vmlinuz-6.1-x":                   false,
		"./boot/config-6.1-x":                    false,
		"./vmlinuz":                              false,
		"." + loaderDir + "systemd-bootaa64.efi": false,
		"." + loaderDir + "linuxaa64.efi.stub":   false,
		moduleDir + "fs/isofs/isofs.ko.xz":       true,
		"./usr/lib/modules/6.1/modules.dep":      true,
		"./usr/bin/true":                         true,
		"./etc/init.d/x":                         false,
		"./usr/lib/systemd/system/sysinit.target.wants/systemd-udevd.service": false,
	} {
		if got := keep(name, "image"); got != want {
			t.Errorf("keep %s: %v, want %v", name, got, want)
		}
	}
	for _, module := range k.wanted {
		if keep(moduleDir+module+".ko.xz", packXZ(t, signed("module "+module))) {
			t.Errorf("%s is on the disk and in the initial RAM disk", module)
		}
	}
	initrd, err := k.initrd([]byte("bootinit"))
	if err != nil || string(k.image) != "image" || string(k.loader) != "image" {
		t.Fatal(err, string(k.image), string(k.loader))
	}
	files := map[string]string{}
	for rest := initrd; len(rest) > 0; {
		var name string
		var data []byte
		name, _, data, rest = readCPIO(t, rest)
		files[name] = string(data)
	}
	order := strings.Fields(files["modules/order"])
	if !slices.Equal(order, basenames(k.wanted)) || files["init"] != "bootinit" || files["modules/ext4.ko"] != "module fs/ext4/ext4" {
		t.Errorf("order %q, ext4 %q", order, files["modules/ext4.ko"])
	}
}

// basenames turns fs/ext4/ext4 into ext4.ko.
func basenames(modules []string) []string {
	var names []string
	for _, module := range modules {
		names = append(names, path.Base(module)+".ko")
	}
	return names
}

func TestKernelLacksAModule(t *testing.T) {
	k := kernelParts{wanted: initrdModules}
	if _, err := k.initrd(nil); err == nil || !strings.Contains(err.Error(), initrdModules[0]) {
		t.Errorf("%v, want an error that names the module", err)
	}
}

func TestStripSignature(t *testing.T) {
	cases := map[string]string{
		signed("code"):                      "code",
		"code":                              "code",
		signatureMagic:                      signatureMagic,
		"\xff\xff\xff\xff" + signatureMagic: "\xff\xff\xff\xff" + signatureMagic,
		strings.Repeat("\xff", 12) + signatureMagic: strings.Repeat("\xff", 12) + signatureMagic,
	}
	for module, want := range cases {
		if got := stripSignature([]byte(module)); string(got) != want {
			t.Errorf("stripSignature(%q) = %q, want %q", module, got, want)
		}
	}
}

// signed appends what the kernel's sign-file does.
func signed(code string) string {
	const signature = "pkcs7"
	header := make([]byte, signatureHeader)
	binary.BigEndian.PutUint32(header[8:], uint32(len(signature)))
	return code + signature + string(header) + signatureMagic
}

func packXZ(t *testing.T, data string) string {
	t.Helper()
	var out bytes.Buffer
	w, err := xz.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write([]byte(data))
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
