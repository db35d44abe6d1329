package hostfs

import (
	"os"
	"path/filepath"
	"testing"
)

func TestIsMounted(t *testing.T) {
	const before = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n31 22 0:5 / /hostel rw - 9p hostfs rw\n"
	tests := []struct {
		name, mountinfo string
		want            bool
	}{
		{"nothing there", before, false},
		{"mounted", before + "36 22 0:33 / /host rw,nosuid,nodev shared:9 - 9p hostfs rw,trans=virtio\n", true},
		{"mounted, no optional fields", before + "36 22 0:33 / /host rw,nosuid,nodev - 9p hostfs rw,trans=virtio\n", true},
		{"another file system", before + "36 22 0:33 / /host rw - tmpfs tmpfs rw\n", false},
		{"below it", before + "36 22 0:33 / /host/app rw - 9p hostfs rw\n", false},
		{"broken line", "36 22\n - 9p hostfs\n", false},
	}
	for _, test := range tests {
		path := filepath.Join(t.TempDir(), "mountinfo")
		if err := os.WriteFile(path, []byte(test.mountinfo), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := isMounted(path, "/host"); err != nil || got != test.want {
			t.Errorf("%s: isMounted = %v, %v, want %v", test.name, got, err, test.want)
		}
	}
}
