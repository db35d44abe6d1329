package suggest

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"ram", "cpus", "ports.dashboard", "--json", "up"}
	for word, want := range map[string]string{
		"rma": "ram", "rams": "ram", "cpu": "cpus", "ports.dashbord": "ports.dashboard", "--jsno": "--json", "u": "up", "weather": "", "": "", "x": "",
	} {
		if got := Nearest(word, names); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func FuzzDistance(f *testing.F) {
	f.Add("ram", "rma")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 1000 {
			return
		}
		d := distance(a, b)
		if d != distance(b, a) || d < 0 || d > max(len(a), len(b)) || (d == 0) != (a == b) {
			t.Errorf("%q, %q: %d and %d", a, b, d, distance(b, a))
		}
	})
}
