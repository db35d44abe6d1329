package bench

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Claim is what the product says of itself, held against what was measured. All values are medians.
type Claim struct {
	Text    string  `json:"text"`
	Value   float64 `json:"value"`
	Limit   float64 `json:"limit"`
	Unit    string  `json:"unit"`
	Verdict string  `json:"verdict"`
}

// The verdicts.
const (
	Pass       = "PASS"
	Fail       = "FAIL"
	Unmeasured = "not measured"
)

// What the claims allow.
const (
	startSlack    = 0.15 // s, for what a start does besides waiting for QEMU twice
	rotationSlack = 0.5  // s, for what a rotation does besides restarting the servers
	secondPrivate = 200  // MiB
	ramFactor     = 1.25 // a busy machine's noise
	ramSlack      = 0.1  // s
	idlePercent   = 0.5  // of a CPU
	supervisorRSS = 40   // MiB
	quietPercent  = 3.0  // of a CPU, also where the guest's CPU is emulated
	coldBoot      = 15   // s, likewise
	imageSize     = 350  // MB
)

// judge computes all claims. The medians have been filled in.
func (r *Report) judge() []Claim {
	return append([]Claim{
		r.claim(fmt.Sprintf("(b) <= 2 x (a) + %.2f s", startSlack), seconds, []string{"a", "b"},
			func(m map[string]float64) (value, limit float64) { return m["b"], 2*m["a"] + startSlack }),
		r.rotationClaim("they run", rowRestarted),
		r.rotationClaim("they answer", rowAnswered),
		r.claim(fmt.Sprintf("private memory of a second instance < %d MiB", secondPrivate), mebi, []string{rowSecond},
			func(m map[string]float64) (value, limit float64) { return m[rowSecond], secondPrivate }),
		r.ramClaim(),
		r.claim("unpacking a snapshot takes no longer than zstd -d", seconds, []string{rowUnpack, rowZstd},
			func(m map[string]float64) (value, limit float64) { return m[rowUnpack], m[rowZstd] }),
		r.claim(fmt.Sprintf("a supervisor with nothing to do takes < %.1f %% of a CPU", idlePercent), percent, []string{rowIdle},
			func(m map[string]float64) (value, limit float64) { return m[rowIdle], idlePercent }),
		r.claim(fmt.Sprintf("a supervisor's memory < %d MiB", supervisorRSS), mebi, []string{rowRSS},
			func(m map[string]float64) (value, limit float64) { return m[rowRSS], supervisorRSS }),
		r.claim(fmt.Sprintf("a guest with nothing to do takes < %.1f %% of a CPU", quietPercent), percent, []string{rowQuiet},
			func(m map[string]float64) (value, limit float64) { return m[rowQuiet], quietPercent }),
		r.claim(fmt.Sprintf("a cold boot (e) takes <= %d s", coldBoot), seconds, []string{"e"},
			func(m map[string]float64) (value, limit float64) { return m["e"], coldBoot }),
		r.claim(fmt.Sprintf("the image < %d MB", imageSize), mega, []string{rowImage},
			func(m map[string]float64) (value, limit float64) { return m[rowImage], imageSize }),
	}, r.soakClaims()...)
}

// What a soak may differ by from its beginning to its end, and still be flat: garbage that was not collected yet, and a log that
// fills up to its limit.
const (
	soakFactor = 1.1
	soakMemory = 4  // MiB
	soakDisk   = 24 // MiB
)

// soakClaims hold the end of each soak against its beginning. They are made only where one was asked for.
func (r *Report) soakClaims() (all []Claim) {
	for _, row := range r.Rows {
		_, what, _ := strings.Cut(strings.TrimPrefix(row.ID, "z."), ".")
		slack, flat := map[string]float64{"fds": 0, "goroutines": 0, "rss": soakMemory, "disk": soakDisk}[what]
		if !flat || !strings.HasPrefix(row.ID, "z.") {
			continue
		}
		c := Claim{Text: row.Name + ": flat", Unit: row.Unit, Verdict: Unmeasured}
		if part := len(row.Samples) / 5; part > 0 {
			c.Limit = soakFactor*median(row.Samples[:part]) + slack
			if c.Value = median(row.Samples[len(row.Samples)-part:]); c.Value <= c.Limit {
				c.Verdict = Pass
			} else {
				c.Verdict = Fail
			}
		}
		all = append(all, c)
	}
	return all
}

// rotationClaim compares what a rotation costs with a restart that is over when the servers have come so far. The time until
// they run is what the guest itself takes; the program waits until they answer, which takes them longer just after a start.
func (r *Report) rotationClaim(until, row string) Claim {
	text := fmt.Sprintf("(c) - (b) <= restart of the Node servers until %s + %.1f s", until, rotationSlack)
	return r.claim(text, seconds, []string{"b", "c", row},
		func(m map[string]float64) (value, limit float64) { return m["c"] - m["b"], m[row] + rotationSlack })
}

// claim compares values that are made of some rows' medians.
func (r *Report) claim(text, unit string, rows []string, values func(map[string]float64) (value, limit float64)) Claim {
	c := Claim{Text: text, Unit: unit, Verdict: Unmeasured}
	medians := map[string]float64{}
	for _, id := range rows {
		row := r.row(id)
		if row == nil {
			return c
		}
		medians[id] = row.Median
	}
	c.Value, c.Limit = values(medians)
	c.Verdict = Fail
	if c.Value < c.Limit || c.Value == c.Limit && unit == seconds { // of memory the limit itself is too much
		c.Verdict = Pass
	}
	return c
}

// ramClaim compares the slowest of the guests with more RAM with the smallest guest.
func (r *Report) ramClaim() Claim {
	text := fmt.Sprintf("(b) does not grow with the guest's RAM: <= %.2f x the smallest guest's + %.1f s", ramFactor, ramSlack)
	first, others := ramRow(guestRAM[0]), []*Row{}
	for _, ram := range guestRAM[1:] {
		if row := r.row(ramRow(ram)); row != nil {
			others = append(others, row)
		}
	}
	if len(others) == 0 {
		return Claim{Text: text, Unit: seconds, Verdict: Unmeasured}
	}
	slowest := slices.MaxFunc(others, func(a, b *Row) int { return cmp.Compare(a.Median, b.Median) }).ID
	return r.claim(text, seconds, []string{first, slowest},
		func(m map[string]float64) (value, limit float64) { return m[slowest], ramFactor*m[first] + ramSlack })
}
