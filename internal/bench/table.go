package bench

import (
	"fmt"
	"io"
	"strings"
)

// Table writes a report for people: the rows aligned, then the claims.
func (r *Report) Table(to io.Writer) error {
	_, err := io.WriteString(to, r.head()+r.rowLines()+"\n"+r.claimLines())
	return err
}

func (r *Report) head() string {
	h := r.Host
	return fmt.Sprintf("%d runs each, %.0f s in all; host %s with %d CPUs; guest %s under %s with %d CPUs, %d MiB; %s\n\n",
		r.Runs, r.Took, h.OS, h.CPUs, h.Arch, h.Accel, h.GuestCPUs, h.GuestRAM, h.QEMU)
}

func (r *Report) rowLines() string {
	lines := [][]string{{"", "", "median", "p90", "n", "ratio", ""}}
	for _, row := range r.Rows {
		line := []string{row.ID, row.Name, "-", "-", fmt.Sprint(len(row.Samples)), "", row.Note}
		if len(row.Samples) > 0 {
			line[2], line[3] = amount(row.Median, row.Unit), amount(row.P90, row.Unit)
		}
		if row.Ratio > 0 {
			line[5] = fmt.Sprintf("%.2f x %s", row.Ratio, row.RatioTo)
		}
		lines = append(lines, line)
	}
	return align(lines, map[int]bool{2: true, 3: true, 4: true})
}

func (r *Report) claimLines() string {
	var lines [][]string
	for _, c := range r.Claims {
		line := []string{c.Verdict, c.Text, ""}
		if c.Verdict != Unmeasured {
			line[2] = fmt.Sprintf("%s, allowed %s", amount(c.Value, c.Unit), amount(c.Limit, c.Unit))
		}
		lines = append(lines, line)
	}
	return align(lines, nil)
}

// align pads the cells of each column to the same width: on their left for the columns that are right-aligned. All cells
// are plain ASCII, but for notes in the last column.
func align(lines [][]string, right map[int]bool) string {
	width := map[int]int{}
	for _, line := range lines {
		for n, cell := range line {
			width[n] = max(width[n], len(cell))
		}
	}
	var text strings.Builder
	for _, line := range lines {
		var out strings.Builder
		for n, cell := range line {
			pad := strings.Repeat(" ", width[n]-len(cell))
			if right[n] {
				cell, pad = pad+cell, ""
			}
			out.WriteString(cell + pad + "  ")
		}
		text.WriteString(strings.TrimRight(out.String(), " ") + "\n")
	}
	return text.String()
}
