package mounts

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestAt(t *testing.T) {
	const before = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n31 22 0:5 / /hostel rw - 9p hostfs rw\n"
	tests := []struct {
		name, table string
		want        []string
	}{
		{"nothing there", before, nil},
		{"with optional fields", before + "36 22 0:33 / /host rw,nosuid shared:9 master:1 - 9p hostfs rw,trans=virtio\n", []string{"9p"}},
		{"without", before + "36 22 0:33 / /host rw,nosuid - 9p hostfs rw\n", []string{"9p"}},
		{"one over the other", before + "35 22 254:0 /host /host rw - ext4 /dev/vda1 rw\n36 35 0:33 / /host rw - 9p hostfs rw\n",
			[]string{"ext4", "9p"}},
		{"below it", before + "36 22 0:33 / /host/app rw - 9p hostfs rw\n", nil},
		{"broken lines", "36 22\n - 9p hostfs\n\n", nil},
	}
	for _, test := range tests {
		table := filepath.Join(t.TempDir(), "mountinfo")
		if err := os.WriteFile(table, []byte(test.table), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := At(table, "/host"); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: At = %q, %v, want %q", test.name, got, err, test.want)
		}
	}
	if _, err := At(filepath.Join(t.TempDir(), "absent"), "/host"); err == nil {
		t.Error("no error for an absent table")
	}
}
