package pack

import "sync"

// pool keeps buffers for the next frame.
type pool struct {
	size  int
	spare sync.Pool
}

func newPool(size int) *pool { return &pool{size: size} }

func (p *pool) get() []byte {
	if b, ok := p.spare.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, p.size)
}

func (p *pool) put(b []byte) { p.spare.Put(&b) }
