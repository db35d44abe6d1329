package ui

import (
	_ "embed"
	"net/http"
	"strings"

	"github.com/stackemu/stackemu/internal/trace"
)

// The page is files that a browser takes as they are: nothing builds them.
var (
	//go:embed page/index.html
	indexHTML string
	//go:embed page/ui.css
	uiCSS string
	//go:embed page/ui.js
	uiJS string
)

// pageFiles are the files of the page by their patterns.
func pageFiles() map[string]http.Handler {
	index := strings.NewReplacer("{{.Tools}}", trace.TimelineTools, "{{.Stage}}", trace.TimelineStage).Replace(indexHTML)
	return map[string]http.Handler{
		"/{$}":          file{"text/html; charset=utf-8", index},
		"/ui.css":       file{"text/css; charset=utf-8", uiCSS},
		"/timeline.css": file{"text/css; charset=utf-8", trace.TimelineStyle},
		"/ui.js":        file{"text/javascript; charset=utf-8", uiJS},
		"/timeline.js":  file{"text/javascript; charset=utf-8", trace.TimelineScript},
	}
}

type file struct{ kind, content string }

func (f file) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", f.kind)
	_, _ = w.Write([]byte(f.content))
}
