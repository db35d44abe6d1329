package mailbox

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

// header is a message in a list of Inbucket's interface (version 1).
type header struct {
	Mailbox     string    `json:"mailbox"`
	ID          string    `json:"id"`
	From        string    `json:"from"`
	To          []string  `json:"to"`
	Subject     string    `json:"subject"`
	Date        time.Time `json:"date"`
	PosixMillis int64     `json:"posix-millis"`
	Size        int       `json:"size"`
	Seen        bool      `json:"seen"`
}

// whole is a message with all that is in it.
type whole struct {
	header
	Body struct {
		Text string `json:"text"`
		HTML string `json:"html"`
	} `json:"body"`
	Header      textproto.MIMEHeader `json:"header"`
	Attachments []attachment         `json:"attachments"`
}

type attachment struct {
	FileName    string `json:"filename"`
	ContentType string `json:"content-type"`
	Download    string `json:"download-link"`
	View        string `json:"view-link"`
	MD5         string `json:"md5"`
}

func headerOf(mailbox string, e Envelope) header {
	return header{mailbox, strconv.FormatUint(e.ID, 10), e.From, e.To, e.Subject, e.Received, e.Received.UnixMilli(), e.Size, false}
}

// mailboxOf is the mailbox that an address has: what comes before the "@", without what comes after a "+".
func mailboxOf(address string) string {
	local := address
	if at := strings.LastIndex(address, "@"); at >= 0 {
		local = address[:at]
	}
	local, _, _ = strings.Cut(local, "+")
	return strings.ToLower(local)
}

// in says whether a message is in the mailbox that a request names, which may be a whole address.
func in(r *http.Request) func(Envelope) bool {
	name := mailboxOf(r.PathValue("name"))
	return func(e Envelope) bool {
		return slices.ContainsFunc(e.To, func(to string) bool { return mailboxOf(to) == name })
	}
}

func (i inbox) apiList(w http.ResponseWriter, r *http.Request) error {
	all, err := i.store.List(in(r))
	if err != nil {
		return err
	}
	list := make([]header, 0, len(all))
	for _, e := range slices.Backward(all) { // Inbucket has the oldest first
		list = append(list, headerOf(mailboxOf(r.PathValue("name")), e))
	}
	return answer(w, list)
}

func (i inbox) apiMessage(w http.ResponseWriter, r *http.Request) error {
	e, source, err := i.apiFind(r)
	if err != nil {
		return err
	}
	c := read(source)
	message := whole{header: headerOf(mailboxOf(r.PathValue("name")), e), Header: c.Header, Attachments: []attachment{}}
	message.Body.Text, message.Body.HTML = c.Text, c.HTML
	for n, f := range c.Files {
		link := fmt.Sprintf("http://%s/messages/%d/files/%d", r.Host, e.ID, n)
		message.Attachments = append(message.Attachments, attachment{f.Name, f.Kind, link, link, fmt.Sprintf("%x", md5.Sum(f.Data))})
	}
	return answer(w, message)
}

func (i inbox) apiSource(w http.ResponseWriter, r *http.Request) error {
	_, source, err := i.apiFind(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = w.Write(source)
	return ended(err)
}

func (i inbox) apiClear(w http.ResponseWriter, r *http.Request) error {
	if err := i.removeAll(in(r)); err != nil {
		return err
	}
	return answer(w, "OK")
}

func (i inbox) apiRemove(w http.ResponseWriter, r *http.Request) error {
	e, _, err := i.apiFind(r)
	if err == nil {
		err = i.store.Remove(e.ID)
	}
	if err != nil {
		return err
	}
	return answer(w, "OK")
}

// apiFind is the message that a request names, by its number or as the latest one of its mailbox.
func (i inbox) apiFind(r *http.Request) (Envelope, []byte, error) {
	id := r.PathValue("id")
	if id == "latest" {
		all, err := i.store.List(in(r))
		if err != nil {
			return Envelope{}, nil, err
		}
		if len(all) == 0 {
			return Envelope{}, nil, errNoMessage
		}
		return i.store.Get(all[0].ID)
	}
	e, source, err := i.get(id)
	if err == nil && !in(r)(e) {
		err = errNoMessage
	}
	return e, source, err
}

func answer(w http.ResponseWriter, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, err = w.Write(append(text, '\n'))
	return ended(err)
}
