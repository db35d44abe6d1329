package guest

import (
	"bytes"
	"io"
)

// stepMark is what mmdebstrap begins a line about a step of its work with.
const stepMark = "I: "

// stepLog copies what mmdebstrap says to log, and tells of each step: where programs are translated, one takes minutes.
type stepLog struct {
	log  io.Writer
	tell func(step string)
	line []byte // the last one, which has no end yet
}

func (s *stepLog) Write(p []byte) (int, error) {
	s.line = append(s.line, p...)
	for {
		line, rest, found := bytes.Cut(s.line, []byte("\n"))
		if !found {
			break
		}
		if step, ok := bytes.CutPrefix(line, []byte(stepMark)); ok {
			s.tell(string(step))
		}
		s.line = rest
	}
	if len(s.line) > maxSerialLine {
		s.line = nil
	}
	return s.log.Write(p)
}
