package supervisor

import (
	"encoding/xml"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	head      = "<?xml version='1.0'?>\n<methodResponse>\n"
	yes       = head + "<params>\n<param>\n<value><boolean>1</boolean></value>\n</param>\n</params>\n</methodResponse>\n"
	faultHead = head + "<fault>\n<value><struct>\n"
	faultEnd  = "</struct></value>\n</fault>\n</methodResponse>\n"
)

// member70 and text are as Python's xmlrpc.client writes them.
const (
	member70 = "<member>\n<name>faultCode</name>\n<value><int>70</int></value>\n</member>\n"
	text     = "<member>\n<name>faultString</name>\n<value><string>NOT_RUNNING: a &amp; b</string></value>\n</member>\n"
)

func TestEncode(t *testing.T) {
	const want = "<?xml version='1.0'?><methodCall><methodName>supervisor.stopProcess</methodName><params>" +
		"<param><value><string>a&lt;b</string></value></param><param><value><boolean>1</boolean></value></param></params></methodCall>"
	if got := string(encode("supervisor.stopProcess", "a<b", true)); got != want {
		t.Errorf("encode = %s\nwant %s", got, want)
	}
	if got := string(encode("m", "p", false)); !strings.Contains(got, "<boolean>0</boolean>") {
		t.Errorf("encode = %s", got)
	}
	if got := string(encode("m", "p")); strings.Contains(got, "boolean") {
		t.Errorf("encode without a flag = %s", got)
	}
}

func TestDecode(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		value  value
		code   int    // of a fault
		text   string // of a fault
		bad    bool
	}{
		"a value":               {answer: yes, value: "<boolean>1</boolean>"},
		"a fault":               {answer: faultHead + member70 + text + faultEnd, code: 70, text: "NOT_RUNNING: a & b"},
		"in another order":      {answer: faultHead + text + member70 + faultEnd, code: 70, text: "NOT_RUNNING: a & b"},
		"by the other name":     {answer: faultHead + strings.ReplaceAll(member70, "int>", "i4>") + faultEnd, code: 70},
		"a long text":           {answer: faultHead + member70 + strings.Replace(text, "a &amp;", strings.Repeat("ä", 300), 1) + faultEnd, code: 70, text: "NOT_RUNNING: " + strings.Repeat("ä", 187)},
		"nothing":               {bad: true},
		"a page":                {answer: "<html><body>500</body></html>", bad: true},
		"half of it":            {answer: yes[:len(yes)-30], bad: true},
		"no value":              {answer: head + "<params></params></methodResponse>", bad: true},
		"two values":            {answer: strings.Replace(yes, "<param>", "<param><value>1</value></param><param>", 1), bad: true},
		"a fault of no number":  {answer: faultHead + text + faultEnd, bad: true},
		"a fault that is zero":  {answer: faultHead + strings.Replace(member70, "70", "0", 1) + faultEnd, bad: true},
		"a fault that is words": {answer: faultHead + strings.Replace(member70, "70", "x", 1) + faultEnd, bad: true},
		"a call":                {answer: string(encode("m", "p", true)), bad: true},
	} {
		got, err := decode([]byte(test.answer))
		var fault *Fault
		switch {
		case test.bad:
			if !errors.Is(err, errAnswer) {
				t.Errorf("%s: %v, want errAnswer", name, err)
			}
		case test.code != 0:
			if !errors.As(err, &fault) || *fault != (Fault{test.code, test.text}) {
				t.Errorf("%s: %v, want fault %d %q", name, err, test.code, test.text)
			}
		case err != nil || got != test.value:
			t.Errorf("%s: %q, %v, want %q", name, got, err, test.value)
		}
	}
}

func TestNumber(t *testing.T) {
	const info value = "<struct>\n<member>\n<name>name</name>\n<value><string>state</string></value>\n</member>\n" +
		"<member>\n<name>state</name>\n<value><int>40</int></value>\n</member>\n</struct>"
	if n, err := info.number("state"); n != 40 || err != nil {
		t.Errorf("state = %d, %v", n, err)
	}
	for _, bad := range []struct {
		v    value
		name string
	}{{info, "name"}, {info, "pid"}, {"", "state"}, {"<struct>", "state"}, {"<boolean>1</boolean>", "state"}} {
		if n, err := bad.v.number(bad.name); !errors.Is(err, errAnswer) {
			t.Errorf("%s of %q = %d, %v, want errAnswer", bad.name, bad.v, n, err)
		}
	}
}

// Whatever comes from a socket is a value, a fault with a number and a text of limited length, or an errAnswer.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{yes, faultHead + member70 + text + faultEnd, "", "<a/>", head, "<?xml version='1.0' encoding='x'?><a/>"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		v, err := decode(answer)
		var fault *Fault
		switch {
		case err == nil:
			if _, err := v.number("state"); err != nil && !errors.Is(err, errAnswer) {
				t.Errorf("number: %v", err)
			}
		case errors.As(err, &fault):
			if fault.Code == 0 || utf8.RuneCountInString(fault.Text) > 200 {
				t.Errorf("fault = %+v", fault)
			}
		case !errors.Is(err, errAnswer):
			t.Error(err)
		}
	})
}

// A name cannot become a part of the call, and the one that is sent is the one that was meant.
func FuzzEncode(f *testing.F) {
	f.Add("stack-app")
	f.Add("</string></value></param><param>")
	f.Fuzz(func(t *testing.T, name string) {
		var call struct {
			Method string   `xml:"methodName"`
			Params []string `xml:"params>param>value>string"`
			Flags  []int    `xml:"params>param>value>boolean"`
		}
		if err := xml.Unmarshal(encode("m", name, true), &call); err != nil {
			t.Fatal(err)
		}
		if call.Method != "m" || len(call.Params) != 1 || len(call.Flags) != 1 || call.Flags[0] != 1 {
			t.Fatalf("%q: %+v", name, call)
		}
		if got := call.Params[0]; got != name && !strings.ContainsRune(got, utf8.RuneError) {
			t.Errorf("%q became %q", name, got)
		}
	})
}
