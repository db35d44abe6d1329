package instance

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestLeftovers(t *testing.T) {
	c := configure(t)
	i, err := Open(c, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	young, old := i.Files.Session+".broken-20260102-000000.000", i.Files.Session+".broken-20260101-000000.000"
	want := []string{i.Files.RAM, filepath.Join(i.Files.Dir, ".iso-1"), filepath.Join(i.Files.Dir, ".vm.json.1.tmp"), old}
	for _, path := range append([]string{i.Files.Disk, i.Files.SerialLog, young, i.Files.Session + ".broken-by-hand"}, want...) {
		write(t, path, "")
	}
	if err := os.Link(i.Files.Disk, i.Files.FreshDisk); err != nil { // the disk's first name
		t.Fatal(err)
	}
	got := i.Leftovers(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDiscard(t *testing.T) {
	c := configure(t)
	i, err := Open(c, "a")
	if err != nil {
		t.Fatal(err)
	}
	if i.displaced() {
		t.Error("an instance that is there is displaced")
	}
	if err := i.Discard(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(c.RunDir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	again, err := Open(c, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	// Who has taken a lock that is gone meanwhile does not have the instance.
	if err := os.Rename(again.Files.Dir, again.Files.Dir+"-gone"); err != nil {
		t.Fatal(err)
	}
	if !again.displaced() {
		t.Error("a lock that leads nowhere")
	}
	third, err := Open(c, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if !again.displaced() || third.displaced() {
		t.Error("two have the instance")
	}
	var held *HeldError
	if _, err := Open(c, "a"); !errors.As(err, &held) {
		t.Errorf("got %v", err)
	}
}
