package mailbox

import (
	"bytes"
	"errors"
	"io"
	"net/textproto"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // others than UTF-8
	"github.com/emersion/go-message/mail"
)

// content is a message as people see it.
type content struct {
	Header     textproto.MIMEHeader
	Text, HTML string
	Files      []file
}

// file is an attachment, or a picture of the HTML.
type file struct {
	Name, Kind string
	Data       []byte
}

// read takes a message apart. One that is not in order gives what can be had of it: it has been sent, so somebody wants to
// see it. What has no parts that can be read is shown as its text.
func read(source []byte) content {
	c := content{Header: textproto.MIMEHeader{}}
	reader, err := mail.CreateReader(bytes.NewReader(source))
	if reader == nil {
		c.Text = string(source)
		return c
	}
	for fields := reader.Header.Fields(); fields.Next(); {
		value, decodeErr := fields.Text()
		if decodeErr != nil {
			value = fields.Value()
		}
		c.Header.Add(fields.Key(), value)
	}
	for err == nil || message.IsUnknownCharset(err) {
		var part *mail.Part
		part, err = reader.NextPart()
		if part != nil {
			c.add(part)
		}
	}
	if !errors.Is(err, io.EOF) && c.Text == "" && c.HTML == "" {
		c.Text = string(source)
	}
	return c
}

// add adds a part: the first text, the first HTML, and everything else as a file.
func (c *content) add(part *mail.Part) {
	data, _ := io.ReadAll(part.Body) // what can be had of it
	kind, name := "application/octet-stream", ""
	switch h := part.Header.(type) {
	case *mail.InlineHeader:
		if t, params, err := h.ContentType(); err == nil {
			kind, name = t, params["name"]
		}
		switch {
		case kind == "text/plain" && c.Text == "":
			c.Text = string(data)
			return
		case kind == "text/html" && c.HTML == "":
			c.HTML = string(data)
			return
		}
	case *mail.AttachmentHeader:
		if t, _, err := h.ContentType(); err == nil {
			kind = t
		}
		name, _ = h.Filename() // a name that cannot be read is none
	}
	c.Files = append(c.Files, file{name, kind, data})
}
