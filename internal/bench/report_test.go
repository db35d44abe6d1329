package bench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// measured is a report in which these rows have samples.
func measured(samples map[string][]float64) *Report {
	r := &Report{Runs: 2, Took: 61, Host: Host{OS: "linux", Arch: "amd64", CPUs: 2, Accel: "tcg", QEMU: "QEMU 10", GuestRAM: 4096, GuestCPUs: 2}}
	for _, group := range measures(4096, []int{1, 2}, 10) {
		for _, m := range group {
			if strings.Contains(keys, m.key) {
				r.Rows = append(r.Rows, m.rows...)
			}
		}
	}
	for n := range r.Rows {
		r.Rows[n].Samples = samples[r.Rows[n].ID]
	}
	r.summarize()
	return r
}

func TestClaims(t *testing.T) {
	verdicts := func(samples map[string][]float64) string {
		var words []string
		for _, c := range measured(samples).Claims[:6] { // of starts
			words = append(words, c.Verdict)
		}
		return strings.Join(words, " ")
	}
	for _, c := range []struct {
		name    string
		samples map[string][]float64
		want    string
	}{
		{"nothing", nil, "not measured not measured not measured not measured not measured not measured"},
		{"all well", map[string][]float64{"a": {1}, "b": {2.1}, "c": {4}, rowRestarted: {1.5}, rowAnswered: {2}, rowSecond: {199},
			"g.1024": {1}, "g.2048": {1.2}, "g.4096": {1.3}, rowUnpack: {1}, rowZstd: {1}}, "PASS PASS PASS PASS PASS PASS"},
		{"all bad", map[string][]float64{"a": {1}, "b": {2.2}, "c": {5}, rowRestarted: {1.5}, rowAnswered: {2}, rowSecond: {200},
			"g.1024": {1}, "g.2048": {1.2}, "g.4096": {1.4}, rowUnpack: {1.1}, rowZstd: {1}}, "FAIL FAIL FAIL FAIL FAIL FAIL"},
		{"the restart counts until they answer", map[string][]float64{"b": {1}, "c": {4}, rowRestarted: {1}, rowAnswered: {3}},
			"not measured FAIL PASS not measured not measured not measured"},
		{"the slowest guest decides", map[string][]float64{"g.1024": {1}, "g.2048": {2}, "g.4096": {1}},
			"not measured not measured not measured not measured FAIL not measured"},
		{"without the smallest guest", map[string][]float64{"g.2048": {1}, "g.4096": {1}},
			"not measured not measured not measured not measured not measured not measured"},
		{"medians decide", map[string][]float64{rowUnpack: {1, 1, 9}, rowZstd: {2, 2, 2}},
			"not measured not measured not measured not measured not measured PASS"},
	} {
		if got := verdicts(c.samples); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

func TestSupervisorClaims(t *testing.T) {
	for want, samples := range map[string]map[string][]float64{
		"PASS PASS PASS": {rowIdle: {0.49, 0.1}, rowRSS: {39}, rowQuiet: {2.9}},
		"FAIL FAIL FAIL": {rowIdle: {0.5}, rowRSS: {40}, rowQuiet: {3}},
	} {
		claims := measured(samples).Claims[6:9]
		if len(claims) != 3 || claims[0].Verdict+" "+claims[1].Verdict+" "+claims[2].Verdict != want {
			t.Errorf("%v: %+v", samples, claims)
		}
	}
}

func TestBootClaims(t *testing.T) {
	for want, samples := range map[string]map[string][]float64{
		"PASS PASS": {"e": {14, 15, 20}, rowImage: {349}},
		"FAIL FAIL": {"e": {14, 15.1, 15.2}, rowImage: {350}},
	} {
		claims := measured(samples).Claims[9:]
		if len(claims) != 2 || claims[0].Verdict+" "+claims[1].Verdict != want {
			t.Errorf("%v: %+v", samples, claims)
		}
	}
}

func TestTable(t *testing.T) {
	r := measured(map[string][]float64{"a": {0.5, 0.25}, "b": {1.5}, rowSecond: {120.4}})
	for n := range r.Rows {
		if r.Rows[n].ID == "d" {
			r.Rows[n].Note = "skipped: no mapped-ram"
		}
	}
	var out bytes.Buffer
	if err := r.Table(&out); err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for line := range strings.Lines(out.String()) {
		id, _, _ := strings.Cut(line, " ")
		lines[id] = strings.TrimRight(line, "\n")
	}
	for id, want := range map[string]string{
		"a":        "0.38 s   0.50 s  2",
		"b":        "1.50 s   1.50 s  1  4.00 x a",
		"d":        "-        -  0            skipped: no mapped-ram",
		"f.second": "120 MiB  120 MiB  1",
		"FAIL":     "(b) <= 2 x (a) + 0.15 s",
	} {
		if !strings.Contains(lines[id], want) {
			t.Errorf("%s: no %q in %q", id, want, lines[id])
		}
	}
	column := strings.Index(lines["a"], "0.50 s") + len("0.50 s")
	if c := strings.Index(lines["b"], "  1  4.00"); c != column {
		t.Errorf("not aligned: %d and %d\n%s", c, column, out.String())
	}
	if !strings.HasPrefix(out.String(), "2 runs each, 61 s in all; host linux with 2 CPUs; guest amd64 under tcg") {
		t.Error(out.String())
	}
}

func TestJSON(t *testing.T) {
	r := measured(map[string][]float64{"a": {0.5, 0.25}, "b": {1.5}})
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Runs   int
		Host   struct{ Accel string }
		Rows   []map[string]any
		Claims []struct{ Text, Verdict, Unit string }
	}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	a, b, c := back.Rows[0], back.Rows[1], back.Rows[2]
	if back.Runs != 2 || back.Host.Accel != "tcg" || a["id"] != "a" || a["median"] != 0.375 || a["p90"] != 0.5 || a["unit"] != "s" {
		t.Errorf("got %s", text)
	}
	if b["ratio"] != 4.0 || b["ratioTo"] != "a" || c["ratio"] != nil {
		t.Errorf("got %s", text)
	}
	if samples, ok := c["samples"].([]any); !ok || len(samples) != 0 {
		t.Errorf("samples of a row without: %v", c["samples"])
	}
	if len(back.Claims) != 11 || back.Claims[0].Verdict != Fail {
		t.Errorf("claims: %v", back.Claims)
	}
}
