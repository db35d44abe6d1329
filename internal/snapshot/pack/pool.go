package pack

import "sync"

// buffers are kept for the next frame, of this run or the next one: the system clears fresh memory before it gives it out,
// which takes longer than the decoding of a frame of zeros.
var buffers pool

// pool lends buffers of no length and of some capacity, which grow as their borrowers need it.
type pool struct{ spare sync.Pool }

func (p *pool) get() []byte {
	if b, ok := p.spare.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

func (p *pool) put(b []byte) {
	if cap(b) > 0 {
		p.spare.Put(&b)
	}
}
