package download

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Whatever the order in which pieces are written, and whether they are lent or read back, the digest is that of the whole.
func TestFollower(t *testing.T) {
	const size, chunk = 1 << 20, 64 << 10
	body := randomBytes(size, 7)
	for name, order := range map[string][]int{
		"in order":       {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		"backwards":      {15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
		"two take turns": {1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14},
		"at random":      rand.Perm(16),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFollower(bytes.NewReader(body))
			digest := make(chan string, 1)
			go func() {
				d, err := f.run(t.Context())
				if err != nil {
					t.Error(err)
				}
				digest <- d
			}()
			back, lent, done := make(chan []byte, 64), 0, map[int]bool{}
			for _, n := range order {
				for at := n * chunk; at < (n+1)*chunk; at += chunk / 4 {
					if f.wrote(loan{int64(at), bytes.Clone(body[at : at+chunk/4]), back}) {
						lent++
					}
				}
				done[n] = true
				front := 0
				for done[front] {
					front++
				}
				f.reach(int64(front) * chunk)
			}
			f.finish()
			if got := <-digest; got != digestOf(body) {
				t.Errorf("got %s, want %s", got, digestOf(body))
			}
			if len(back) != lent {
				t.Errorf("%d of %d loans came back", len(back), lent)
			}
			if name == "in order" && lent == 0 || name == "backwards" && lent > 4 {
				t.Errorf("%d loans", lent)
			}
		})
	}
}

// Pieces before which one is missing are not kept, and neither is one that was read back already.
func TestFollowerKeepsWhatComesInItsTurn(t *testing.T) {
	f := newFollower(bytes.NewReader(make([]byte, 100)))
	for i, step := range []struct {
		at, size int
		kept     bool
	}{{10, 10, false}, {0, 10, true}, {20, 10, false}, {10, 10, true}, {10, 10, false}, {20, 1, true}, {21, 1, true}, {22, 1, false}} {
		if kept := f.wrote(loan{at: int64(step.at), bytes: make([]byte, step.size)}); kept != step.kept {
			t.Errorf("%d: piece at %d: kept: %v", i, step.at, kept)
		}
	}
}
