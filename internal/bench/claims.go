package bench

import (
	"cmp"
	"fmt"
	"slices"
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
)

// judge computes all claims. The medians have been filled in.
func (r *Report) judge() []Claim {
	return []Claim{
		r.claim(fmt.Sprintf("(b) <= 2 x (a) + %.2f s", startSlack), seconds, []string{"a", "b"},
			func(m map[string]float64) (value, limit float64) { return m["b"], 2*m["a"] + startSlack }),
		r.rotationClaim("they run", rowRestarted),
		r.rotationClaim("they answer", rowAnswered),
		r.claim(fmt.Sprintf("private memory of a second instance < %d MiB", secondPrivate), mebi, []string{rowSecond},
			func(m map[string]float64) (value, limit float64) { return m[rowSecond], secondPrivate }),
		r.ramClaim(),
		r.claim("unpacking a snapshot takes no longer than zstd -d", seconds, []string{rowUnpack, rowZstd},
			func(m map[string]float64) (value, limit float64) { return m[rowUnpack], m[rowZstd] }),
	}
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
