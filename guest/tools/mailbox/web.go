package mailbox

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"sync"
)

//go:embed page
var page embed.FS

// pages are parsed when they are needed: this program has other names, which start often.
var pages = sync.OnceValue(func() *template.Template { return template.Must(template.ParseFS(page, "page/page.html")) })

// What a browser may do with our pages, and with the HTML of a message, which is a stranger's: it runs no script, sends no
// form and loads nothing, but for pictures of this machine. Its links open pages of their own.
const (
	ourPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; " +
		"frame-ancestors 'none'; base-uri 'none'"
	strangersPolicy = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; " +
		"img-src data: http://localhost:* http://127.0.0.1:*; frame-ancestors 'self'"
)

// inbox answers browsers and programs.
type inbox struct{ store *Store }

// Handler is the web page of a store, and its JSON interface.
func Handler(store *Store) http.Handler {
	i := inbox{store}
	mux := http.NewServeMux()
	mux.Handle("GET /page/", http.FileServerFS(page))
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}":                               i.list,
		"GET /messages/{id}":                     i.message,
		"GET /messages/{id}/html":                i.html,
		"GET /messages/{id}/source":              i.source,
		"GET /messages/{id}/files/{number}":      i.file,
		"POST /delete":                           i.clear,
		"GET /events":                            i.events,
		"GET /api/v1/mailbox/{name}":             i.apiList,
		"DELETE /api/v1/mailbox/{name}":          i.apiClear,
		"GET /api/v1/mailbox/{name}/{id}":        i.apiMessage,
		"DELETE /api/v1/mailbox/{name}/{id}":     i.apiRemove,
		"GET /api/v1/mailbox/{name}/{id}/source": i.apiSource,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Content-Security-Policy", ourPolicy)
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cache-Control", "no-store")
			if err := handle(w, r); errors.Is(err, errNoMessage) {
				http.Error(w, "There is no such message.", http.StatusNotFound)
			} else if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	return mux
}

func (i inbox) list(w http.ResponseWriter, _ *http.Request) error {
	all, err := i.store.List(func(Envelope) bool { return true })
	if err != nil {
		return err
	}
	return show(w, "list", all)
}

func (i inbox) message(w http.ResponseWriter, r *http.Request) error {
	e, c, err := i.find(r)
	if err != nil {
		return err
	}
	return show(w, "message", struct {
		Envelope
		content
	}{e, c})
}

func (i inbox) html(w http.ResponseWriter, r *http.Request) error {
	_, c, err := i.find(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", strangersPolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err = fmt.Fprintf(w, "<!doctype html><base target=_blank>%s", c.HTML)
	return ended(err)
}

func (i inbox) source(w http.ResponseWriter, r *http.Request) error {
	_, source, err := i.get(r.PathValue("id"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = w.Write(source)
	return ended(err)
}

// file gives an attachment to be stored, never to be shown: it is a stranger's.
func (i inbox) file(w http.ResponseWriter, r *http.Request) error {
	_, c, err := i.find(r)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || n < 0 || n >= len(c.Files) {
		return errNoMessage
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": cmp.Or(c.Files[n].Name, "file")}))
	_, err = w.Write(c.Files[n].Data)
	return ended(err)
}

func (i inbox) clear(w http.ResponseWriter, r *http.Request) error {
	if err := i.removeAll(func(Envelope) bool { return true }); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// events tells a page when to look again, for as long as it is there.
func (i inbox) events(w http.ResponseWriter, r *http.Request) error {
	told, end := i.store.Watch()
	defer end()
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	for {
		if err := flush.Flush(); err != nil {
			return ended(err)
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-told:
			if _, err := fmt.Fprint(w, "event: changed\ndata:\n\n"); err != nil {
				return ended(err)
			}
		}
	}
}

// find is the message that a request names, taken apart.
func (i inbox) find(r *http.Request) (Envelope, content, error) {
	e, source, err := i.get(r.PathValue("id"))
	if err != nil {
		return e, content{}, err
	}
	return e, read(source), nil
}

func (i inbox) get(id string) (Envelope, []byte, error) {
	number, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return Envelope{}, nil, errNoMessage
	}
	return i.store.Get(number)
}

func (i inbox) removeAll(wanted func(Envelope) bool) error {
	all, err := i.store.List(wanted)
	if err != nil {
		return err
	}
	numbers := make([]uint64, len(all))
	for n, e := range all {
		numbers[n] = e.ID
	}
	return i.store.Remove(numbers...)
}

func show(w http.ResponseWriter, name string, data any) error {
	var text bytes.Buffer
	if err := pages().ExecuteTemplate(&text, name, data); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err := text.WriteTo(w)
	return ended(err)
}

// ended is for an answer that could not be written to its end: whoever asked is gone, and there is nobody to be told.
func ended(error) error { return nil }
