package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode"
)

// freshSerialLog begins a new console log for a new boot and keeps the last one as <path>.1. The file is made here
// because QEMU would make it with the permissions of the umask.
func freshSerialLog(path string) error {
	if err := ignoreMissing(os.Rename(path, path+".1")); err != nil {
		return fmt.Errorf("serial log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("serial log: %w", err)
	}
	return f.Close()
}

// What lastWords shows of a console log.
const (
	tailLines = 8
	tailBytes = 4096
)

// lastWords is the end of a console log, without control characters, and where the rest is. It is empty when the guest has
// said nothing.
func lastWords(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	buf := make([]byte, min(tailBytes, info.Size()))
	if _, err := f.ReadAt(buf, info.Size()-int64(len(buf))); err != nil {
		return ""
	}
	lines := strings.FieldsFunc(string(buf), func(r rune) bool { return r == '\n' || r == '\r' })
	lines = lines[max(0, len(lines)-tailLines):]
	if len(lines) == 0 {
		return ""
	}
	for n, line := range lines {
		lines[n] = "  | " + strings.Map(printable, line)
	}
	return fmt.Sprintf("the last lines of the guest's console (%s):\n%s", path, strings.Join(lines, "\n"))
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return -1
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
