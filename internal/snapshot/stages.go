package snapshot

import "sync"

// stages joins the progress of works that are done one after the other to that of the whole.
type stages struct {
	tell        Progress
	done, total int64 // bytes
}

func newStages(tell Progress) *stages {
	if tell == nil {
		tell = func(int64, int64) {}
	}
	return &stages{tell: tell}
}

// expect says that there is so much more to do.
func (s *stages) expect(bytes int64) { s.total += bytes }

// next is the progress of the next work, which counts for so many bytes whatever its own are.
func (s *stages) next(bytes int64) Progress {
	from := s.done
	s.done += bytes
	return s.at(from, bytes)
}

// peek is the progress of a work that may have been in vain.
func (s *stages) peek(bytes int64) Progress { return s.at(s.done, bytes) }

func (s *stages) at(from, bytes int64) Progress {
	return func(done, total int64) {
		share := bytes
		if total > 0 {
			share = int64(float64(bytes) * (float64(done) / float64(total)))
		}
		s.tell(from+share, s.total)
	}
}

// counter makes the progress of a work out of the numbers of bytes that several goroutines have done.
func counter(total int64, tell Progress) func(bytes int64) {
	var mu sync.Mutex
	var done int64
	return func(bytes int64) {
		mu.Lock()
		defer mu.Unlock()
		done += bytes
		tell(done, total)
	}
}
