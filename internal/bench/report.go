package bench

import (
	"fmt"
	"time"
)

// Report is all that one run has measured. Its JSON is what `stackemu bench --json` prints.
type Report struct {
	Began  time.Time `json:"began"`
	Took   float64   `json:"tookSeconds"`
	Runs   int       `json:"runs"` // wished for, of each row
	Host   Host      `json:"host"`
	Rows   []Row     `json:"rows"`
	Claims []Claim   `json:"claims"`
}

// Host is what the numbers depend on.
type Host struct {
	OS        string `json:"os"`
	Arch      string `json:"arch"` // of the guest
	CPUs      int    `json:"cpus"`
	CPU       string `json:"cpu,omitempty"`
	Accel     string `json:"accel"`
	QEMU      string `json:"qemu"`
	Image     string `json:"image"` // its digest
	GuestRAM  int    `json:"guestMiB"`
	GuestCPUs int    `json:"guestCPUs"`
}

// Row is one thing that was measured again and again.
type Row struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Unit    string    `json:"unit"` // s, MiB, MB, % or n
	Samples []float64 `json:"samples"`
	Median  float64   `json:"median"`
	P90     float64   `json:"p90"`
	Ratio   float64   `json:"ratio,omitempty"` // of the median to that of another row
	RatioTo string    `json:"ratioTo,omitempty"`
	Note    string    `json:"note,omitempty"` // why there are no samples, or fewer than wished for

	runs int // that have given samples
}

// The units of rows.
const (
	seconds = "s"
	mebi    = "MiB"
	mega    = "MB" // as files are measured
	percent = "%"
	pieces  = "n"
)

// row returns a row that was measured, or nil.
func (r *Report) row(id string) *Row {
	for n := range r.Rows {
		if r.Rows[n].ID == id && len(r.Rows[n].Samples) > 0 {
			return &r.Rows[n]
		}
	}
	return nil
}

// summarize fills in what follows from the samples.
func (r *Report) summarize() {
	for n := range r.Rows {
		row := &r.Rows[n]
		if row.Samples == nil {
			row.Samples = []float64{} // null would be another type to those who read the JSON
		}
		row.Median, row.P90 = median(row.Samples), p90(row.Samples)
	}
	for n := range r.Rows {
		row := &r.Rows[n]
		if to := r.row(row.RatioTo); to != nil && to != row && to.Median > 0 && len(row.Samples) > 0 {
			row.Ratio = row.Median / to.Median
		} else {
			row.RatioTo = ""
		}
	}
	r.Claims = r.judge()
}

// Measured tells whether there is anything in it.
func (r *Report) Measured() bool {
	for _, row := range r.Rows {
		if len(row.Samples) > 0 {
			return true
		}
	}
	return false
}

// amount writes a value as people read it.
func amount(value float64, unit string) string {
	switch unit {
	case mebi, mega:
		return fmt.Sprintf("%.0f %s", value, unit)
	case percent:
		return fmt.Sprintf("%.2f %%", value)
	case pieces:
		return fmt.Sprintf("%.0f", value)
	}
	return fmt.Sprintf("%.2f s", value)
}
