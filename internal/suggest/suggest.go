// Package suggest finds the word that somebody has most likely meant.
package suggest

import "strings"

// Nearest is the word that is nearest to a wrong one: one or two slips of the finger away, and "" if none is.
func Nearest(word string, among []string) string {
	best, least := "", 3
	for _, name := range among {
		if d := distance(word, name); d < least && d < len(strings.TrimLeft(name, "-")) {
			best, least = name, d
		}
	}
	return best
}

// distance is how many letters have to be put in, taken out, replaced or swapped with their neighbour.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, now := rows[0], rows[1], rows[2]
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		rows = [3][]int{last, now, before}
	}
	return rows[1][len(b)]
}
