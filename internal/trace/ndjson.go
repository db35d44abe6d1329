package trace

import (
	"encoding/json"
	"io"
)

// NDJSON writes records one a line, as the log has them (docs/trace.md).
func NDJSON(out io.Writer, records []*Record) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	for _, rec := range records {
		if err := e.Encode(rec); err != nil {
			return err
		}
	}
	return nil
}
