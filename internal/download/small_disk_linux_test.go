package download

import (
	"archive/zip"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// smallDisk is a file system with little room. Only root can have one.
func smallDisk(t *testing.T, bytes string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+bytes); err != nil {
		t.Skipf("no small disk to be had: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// An archive and what is in it do not fit side by side: the archive is given up while it is read.
func TestUnpackOnASmallDisk(t *testing.T) {
	const size = 40 << 20
	body := randomBytes(size, 8)
	from := archive(t, entry{name: wanted, body: body, method: zip.Store})
	bytes, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	dir := smallDisk(t, "130m") // 64 MiB are kept free, 40 are the archive
	path, to := filepath.Join(dir, "archive"), filepath.Join(dir, "out")
	if err := os.WriteFile(path, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := UnpackFile(t.Context(), Unpack{Archive: path, Name: wanted, To: to})
	if err != nil || u.Digest != digestOf(body) {
		t.Fatalf("%+v, %v", u, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Sys().(*syscall.Stat_t).Blocks*512 > 2*punchStep {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestFetchOnASmallDisk(t *testing.T) {
	o := newOrigin(t, 10<<20)
	opt := o.options()
	opt.Path = filepath.Join(smallDisk(t, "70m"), "part")
	space, ok := errors.AsType[*SpaceError](o.refuses(opt))
	if !ok || space.Need <= space.Have {
		t.Errorf("%+v", space)
	}
}
