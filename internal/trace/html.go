package trace

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"strings"
)

// The page around the timeline. Nothing builds it.
var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/page.js
	pageJS string
)

// HTML writes a start as one page that needs nothing else: no file, no network.
func HTML(out io.Writer, s *Start) error {
	data, err := json.Marshal(s.timeline(s.Records)) // which escapes < and >, so that no text can end the script
	if err != nil {
		return err
	}
	var words strings.Builder
	if err := Explain(&words, s); err != nil {
		return err
	}
	title := fmt.Sprintf("stackemu trace: %s, %s", s.Instance, s.Began.Format("2006-01-02 15:04:05"))
	_, err = strings.NewReplacer(
		"{{.Title}}", html.EscapeString(title),
		"{{.Words}}", html.EscapeString(words.String()),
		"{{.Tools}}", TimelineTools,
		"{{.Stage}}", TimelineStage,
		"{{.TimelineStyle}}", TimelineStyle,
		"{{.Style}}", pageCSS,
		"{{.TimelineScript}}", TimelineScript,
		"{{.Script}}", pageJS,
		"{{.Data}}", string(data),
	).WriteString(out, pageHTML)
	return err
}
