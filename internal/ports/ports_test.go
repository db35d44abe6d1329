package ports

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/stackemu/stackemu/internal/home"
)

func allowAll(int) bool { return true }

func newHome(t *testing.T) home.Home { return home.New(t.TempDir()) }

func baseOf(t *testing.T, h home.Home, name string, free func(int) bool) int {
	t.Helper()
	base, err := Base(t.Context(), h, name, free)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return base
}

func remove(t *testing.T, h home.Home, name string) {
	t.Helper()
	files, err := h.Instance(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(files.Dir); err != nil {
		t.Fatal(err)
	}
}

func TestBlocks(t *testing.T) {
	h := newHome(t)
	for _, x := range []struct {
		name string
		want int
	}{
		{"default", 26700}, {"b", 26710}, {"a", 26720}, {"b", 26710}, {"default", 26700}, {"c", 26730}, {"a", 26720},
	} {
		if got := baseOf(t, h, x.name, allowAll); got != x.want {
			t.Errorf("%s: got %d, want %d", x.name, got, x.want)
		}
	}
	remove(t, h, "b")
	if got := baseOf(t, h, "d", allowAll); got != 26710 {
		t.Errorf("the block of an instance that is gone: got %d", got)
	}
	if got := baseOf(t, h, "b", allowAll); got != 26740 {
		t.Errorf("b comes back: got %d", got)
	}
	if got := fmt.Sprint(Known(h)); got != "map[a:26720 b:26740 c:26730 d:26710]" {
		t.Errorf("known: %s", got)
	}
}

func TestBusyPortsAreNotGivenAway(t *testing.T) {
	h := newHome(t)
	busy := func(port int) bool { return port != 26713 && port != 26720 && port != 26739 }
	if got := baseOf(t, h, "a", busy); got != 26730 {
		t.Errorf("got %d: its last port is busy, but not used", got)
	}
	if got := baseOf(t, h, "a", func(int) bool { return false }); got != 26730 {
		t.Errorf("its own ports are busy, and it does not keep them: %d", got)
	}
	if _, err := Base(t.Context(), h, "b", func(int) bool { return false }); err == nil {
		t.Error("everything is busy, and there is a block")
	}
}

// Of many at once, each gets its own.
func TestAllAtOnce(t *testing.T) {
	h := newHome(t)
	bases := make([]int, 10)
	var all sync.WaitGroup
	for n := range bases {
		all.Go(func() { bases[n] = baseOf(t, h, fmt.Sprintf("i%d", n), allowAll) })
	}
	all.Wait()
	slices.Sort(bases)
	for n, base := range bases {
		if base != 26710+10*n {
			t.Fatalf("got %v", bases)
		}
	}
}

func TestBrokenFile(t *testing.T) {
	h := newHome(t)
	baseOf(t, h, "a", allowAll)
	if err := os.WriteFile(h.PortsFile(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := baseOf(t, h, "b", allowAll); got != 26710 {
		t.Errorf("got %d", got)
	}
	if b, err := os.ReadFile(h.PortsFile() + ".broken"); err != nil || string(b) != "{" {
		t.Errorf("the broken file: %q, %v", b, err)
	}
}

func TestBadNames(t *testing.T) {
	var bad *home.NameError
	if _, err := Base(t.Context(), newHome(t), "../x", allowAll); !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{"version":1,"blocks":{"a":26710,"b":26710,"c":26715,"d":26700,"vm":26720,"default":26730,"e":99990,"f":26740}}`: "map[a:26710 f:26740]",
		`{"version":1}`: "map[]",
	} {
		if got, err := decode([]byte(text)); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{``, `[]`, `{"version":2}`, `{"version":1,"blocks":{"a":"x"}}`} {
		if got, err := decode([]byte(text)); err == nil {
			t.Errorf("%s: got %v", text, got)
		}
	}
}

func TestRefused(t *testing.T) {
	if !slices.IsSorted(browsersRefuse) {
		t.Error("the list is not sorted")
	}
	for port, want := range map[int]bool{6000: true, 6667: true, 10080: true, 26700: false, 80: false, 8080: false} {
		if Refused(port) != want {
			t.Errorf("port %d: %v", port, !want)
		}
	}
	if !refused(5055) || refused(5050) {
		t.Error("a block is as good as its worst port")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"blocks":{"a":26710,"b":26720}}`))
	f.Add([]byte(`{"version":1,"blocks":{"a":26710,"b":26710,"../c":26730}}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		blocks, err := decode(text)
		if err != nil {
			return
		}
		seen := map[int]bool{}
		for name, base := range blocks {
			if home.CheckName(name) != nil || base <= first || base+Block > 65536 || seen[base] {
				t.Errorf("%q: %s at %d", text, name, base)
			}
			seen[base] = true
		}
	})
}
