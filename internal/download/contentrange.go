package download

import (
	"fmt"
	"strconv"
	"strings"
)

// contentRange is what a 206 says that it holds: the bytes from first to last, both included, of total.
type contentRange struct {
	first, last int64
	total       int64 // -1 when the server does not tell
}

// parseContentRange reads "bytes 0-99/1000" (RFC 9110, section 14.4).
func parseContentRange(value string) (contentRange, error) {
	bad := fmt.Errorf("Content-Range %.100q makes no sense", value)
	spec, ok := strings.CutPrefix(strings.TrimSpace(value), "bytes ")
	if !ok {
		return contentRange{}, bad
	}
	span, total, ok := strings.Cut(spec, "/")
	first, last, ok2 := strings.Cut(span, "-")
	if !ok || !ok2 {
		return contentRange{}, bad
	}
	r := contentRange{total: -1}
	var err1, err2, err3 error
	r.first, err1 = position(first)
	r.last, err2 = position(last)
	if total != "*" {
		r.total, err3 = position(total)
	}
	if err1 != nil || err2 != nil || err3 != nil || r.last < r.first || r.total >= 0 && r.last >= r.total {
		return contentRange{}, bad
	}
	return r, nil
}

// position takes digits and nothing else.
func position(digits string) (int64, error) {
	n, err := strconv.ParseUint(digits, 10, 63)
	return int64(n), err
}

// strongETag is an entity tag that If-Range may be asked with, or "". A weak one does not promise the same bytes.
func strongETag(value string) string {
	if len(value) < 2 || len(value) > 256 || value[0] != '"' || value[len(value)-1] != '"' || strings.ContainsAny(value, "\r\n") {
		return ""
	}
	return value
}
