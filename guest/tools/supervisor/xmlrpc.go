package supervisor

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Fault is an error that supervisord has answered with.
type Fault struct {
	Code int
	Text string // as supervisord says it, at most 200 bytes
}

func (f *Fault) Error() string { return fmt.Sprintf("fault %d: %s", f.Code, f.Text) }

func isFault(err error, code int) bool {
	var fault *Fault
	return errors.As(err, &fault) && fault.Code == code
}

// encode writes a call of a method that takes the name of a program and a flag.
func encode(method, name string, flag bool) []byte {
	var out strings.Builder
	text := func(s string) {
		// A strings.Builder does not fail, and what XML cannot hold becomes U+FFFD: a program of no such name.
		_ = xml.EscapeText(&out, []byte(s))
	}
	out.WriteString("<?xml version='1.0'?><methodCall><methodName>")
	text(method)
	out.WriteString("</methodName><params><param><value><string>")
	text(name)
	out.WriteString("</string></value></param><param><value><boolean>")
	if flag {
		out.WriteString("1")
	} else {
		out.WriteString("0")
	}
	out.WriteString("</boolean></value></param></params></methodCall>")
	return []byte(out.String())
}

// errAnswer means that an answer is not one of XML-RPC.
var errAnswer = errors.New("not an XML-RPC answer")

// decode returns nil for an answer with a value, and a [Fault] for one.
func decode(answer []byte) error {
	var response struct {
		XMLName xml.Name `xml:"methodResponse"`
		Values  []struct {
			Inner string `xml:",innerxml"`
		} `xml:"params>param>value"`
		Fault *struct {
			Members []struct {
				Name  string `xml:"name"`
				Value struct {
					Int    string `xml:"int"`
					I4     string `xml:"i4"`
					String string `xml:"string"`
				} `xml:"value"`
			} `xml:"value>struct>member"`
		} `xml:"fault"`
	}
	if err := xml.Unmarshal(answer, &response); err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	if response.Fault == nil {
		if len(response.Values) != 1 {
			return fmt.Errorf("%w: %d values", errAnswer, len(response.Values))
		}
		return nil
	}
	fault := new(Fault)
	for _, member := range response.Fault.Members {
		switch member.Name {
		case "faultCode":
			code, err := strconv.Atoi(strings.TrimSpace(member.Value.Int + member.Value.I4))
			if err != nil {
				return fmt.Errorf("%w: fault without a number", errAnswer)
			}
			fault.Code = code
		case "faultString":
			fault.Text = fmt.Sprintf("%.200s", member.Value.String)
		}
	}
	if fault.Code == 0 {
		return fmt.Errorf("%w: fault without a number", errAnswer)
	}
	return fault
}
