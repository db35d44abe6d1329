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
	Text string // as supervisord says it, at most 200 characters
}

func (f *Fault) Error() string { return fmt.Sprintf("fault %d: %s", f.Code, f.Text) }

func isFault(err error, code int) bool {
	var fault *Fault
	return errors.As(err, &fault) && fault.Code == code
}

// encode writes a call of a method that takes the name of a program and flags.
func encode(method, name string, flags ...bool) []byte {
	var out strings.Builder
	text := func(s string) {
		// A strings.Builder does not fail, and what XML cannot hold becomes U+FFFD: a program of no such name.
		_ = xml.EscapeText(&out, []byte(s))
	}
	out.WriteString("<?xml version='1.0'?><methodCall><methodName>")
	text(method)
	out.WriteString("</methodName><params><param><value><string>")
	text(name)
	out.WriteString("</string></value></param>")
	for _, flag := range flags {
		digit := "0"
		if flag {
			digit = "1"
		}
		out.WriteString("<param><value><boolean>" + digit + "</boolean></value></param>")
	}
	out.WriteString("</params></methodCall>")
	return []byte(out.String())
}

// errAnswer means that an answer is not one of XML-RPC.
var errAnswer = errors.New("not an XML-RPC answer")

// value is what a call has returned: the XML between <value> and </value>.
type value string

// number is a whole number among the members of a value that is a structure.
func (v value) number(name string) (int, error) {
	var members []member
	err := xml.Unmarshal([]byte("<value>"+v+"</value>"), &struct {
		Members *[]member `xml:"struct>member"`
	}{&members})
	if err != nil {
		return 0, fmt.Errorf("%w: %v", errAnswer, err)
	}
	for _, m := range members {
		if m.Name == name {
			return m.Value.number()
		}
	}
	return 0, fmt.Errorf("%w: no %s", errAnswer, name)
}

// member is one of a structure. Its value is a number or a text here.
type member struct {
	Name  string `xml:"name"`
	Value scalar `xml:"value"`
}

type scalar struct {
	Int    string `xml:"int"`
	I4     string `xml:"i4"` // the same, by its other name
	String string `xml:"string"`
}

func (s scalar) number() (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s.Int + s.I4))
	if err != nil {
		return 0, fmt.Errorf("%w: a number was expected", errAnswer)
	}
	return n, nil
}

// decode returns the value of an answer, or a [Fault].
func decode(answer []byte) (value, error) {
	var response struct {
		XMLName xml.Name `xml:"methodResponse"`
		Values  []struct {
			Inner string `xml:",innerxml"`
		} `xml:"params>param>value"`
		Fault *struct {
			Members []member `xml:"value>struct>member"`
		} `xml:"fault"`
	}
	if err := xml.Unmarshal(answer, &response); err != nil {
		return "", fmt.Errorf("%w: %v", errAnswer, err)
	}
	if response.Fault == nil {
		if len(response.Values) != 1 {
			return "", fmt.Errorf("%w: %d values", errAnswer, len(response.Values))
		}
		return value(response.Values[0].Inner), nil
	}
	fault := new(Fault)
	for _, m := range response.Fault.Members {
		switch m.Name {
		case "faultCode":
			var err error
			if fault.Code, err = m.Value.number(); err != nil {
				return "", err
			}
		case "faultString":
			fault.Text = fmt.Sprintf("%.200s", m.Value.String)
		}
	}
	if fault.Code == 0 {
		return "", fmt.Errorf("%w: fault without a number", errAnswer)
	}
	return "", fault
}
