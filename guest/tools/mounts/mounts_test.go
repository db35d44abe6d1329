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
		want        []Mounted
	}{
		{"nothing there", before, nil},
		{"with optional fields", before + "36 22 0:33 / /host rw,nosuid shared:9 master:1 - 9p hostfs rw,trans=virtio\n", []Mounted{{"9p", "hostfs", false}}},
		{"without", before + "36 22 0:33 / /host rw,nosuid - 9p hostfs rw\n", []Mounted{{"9p", "hostfs", false}}},
		{"one over the other", before + "35 22 254:0 /host /host rw - ext4 /dev/vda1 rw\n36 35 0:33 / /host rw - 9p hostfs rw\n",
			[]Mounted{{"ext4", "/dev/vda1", false}, {"9p", "hostfs", false}}},
		{"below it", before + "36 22 0:33 / /host/app rw - 9p hostfs rw\n", nil},
		{"read-only", before + "36 22 0:33 / /host nosuid,ro shared:9 - 9p my\\040tag rw\n", []Mounted{{"9p", "my tag", true}}},
		{"a comment's sign in a tag", before + "36 22 0:33 / /host rw - 9p my\\043tag rw\n", []Mounted{{"9p", "my#tag", false}}},
		{"broken lines", "36 22\n - 9p hostfs\n\n", nil},
	}
	for _, test := range tests {
		table := filepath.Join(t.TempDir(), "mountinfo")
		if err := os.WriteFile(table, []byte(test.table), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := At(table, "/host"); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: At = %v, %v, want %v", test.name, got, err, test.want)
		}
	}
	table := filepath.Join(t.TempDir(), "mountinfo")
	if err := os.WriteFile(table, []byte(`36 22 0:33 / /host/my\040app rw - 9p hostfs rw`), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := At(table, "/host/my app"); err != nil || len(got) != 1 {
		t.Errorf("a path with a space: %v, %v", got, err)
	}
	if _, err := At(filepath.Join(t.TempDir(), "absent"), "/host"); err == nil {
		t.Error("no error for an absent table")
	}
}
