package guest

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Markers of the first boot, each alone on a line of the serial console.
const (
	doneMarker     = "STACK_CLOUD_INIT_DONE"
	failedMarker   = "STACK_CLOUD_INIT_FAILED:"
	progressMarker = "STACK_PROVISION:"
)

// serialEvent is what a line of the serial console means to the builder.
type serialEvent struct {
	Done     bool
	Failed   string // the guest's reason
	Progress string
}

// parseSerial tells whether a line is a marker. Terminals add carriage returns and escape sequences, and other programs
// write to the same console; but a marker has its line to itself, so a line that only contains one is none.
func parseSerial(line string) (serialEvent, bool) {
	line = strings.TrimSpace(plain(line))
	if line == doneMarker {
		return serialEvent{Done: true}, true
	}
	if reason, ok := strings.CutPrefix(line, failedMarker); ok {
		return serialEvent{Failed: strings.TrimSpace(reason)}, true
	}
	if text, ok := strings.CutPrefix(line, progressMarker); ok {
		return serialEvent{Progress: strings.TrimSpace(text)}, true
	}
	return serialEvent{}, false
}

// plain removes ANSI control sequences (ECMA-48: ESC [, parameters, one final byte) and other control characters.
func plain(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == 0x1b && i+1 < len(s) && s[i+1] == '[':
			for i += 2; i < len(s) && (s[i] < 0x40 || s[i] > 0x7e); i++ {
			}
		case c == 0x1b:
			i++ // a sequence of two bytes
		case c >= 0x20 || c == '\t':
			out.WriteByte(c)
		}
	}
	return out.String()
}

// maxSerialLine bounds a line in bytes: a guest that writes no line break must not fill the host's memory.
const maxSerialLine = 64 << 10

// readSerial copies the console to log and tells of each marker, until the stream ends.
func readSerial(console io.Reader, log io.Writer, tell func(serialEvent)) error {
	in := bufio.NewReaderSize(io.TeeReader(console, log), maxSerialLine)
	for {
		// A longer line arrives in pieces, none of which is a marker.
		line, _, err := in.ReadLine()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("serial console: %w", err)
		}
		if event, ok := parseSerial(string(line)); ok {
			tell(event)
		}
	}
}
