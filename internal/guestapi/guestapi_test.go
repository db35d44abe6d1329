package guestapi

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestParseResult(t *testing.T) {
	done := Step{Name: StepClock, Took: time.Millisecond}
	failed := Step{Name: StepRotation, Took: time.Second, Error: "no supervisord"}
	for name, test := range map[string]struct {
		out  string
		bad  string // what the error says, "" for none
		fail string // what the result's error says
	}{
		"done":             {out: marshal(t, Result{[]Step{done}})},
		"a failed step":    {out: marshal(t, Result{[]Step{done, failed}}), fail: "rotation: no supervisord"},
		"of a newer guest": {out: `{"steps":[{"name":"other","tookNs":1,"more":{}}],"more":1}` + "\n"},
		"no step":          {out: `{"steps":[]}`, bad: "no step"},
		"nothing":          {bad: "the guest's answer"},
		"words":            {out: "Segmentation fault", bad: "the guest's answer"},
		"half of it":       {out: `{"steps":[{"name":"clo`, bad: "the guest's answer"},
		"something after":  {out: `{"steps":[{"name":"clock"}]} and more`, bad: "the guest's answer"},
	} {
		r, err := ParseResult([]byte(test.out))
		if (err != nil) != (test.bad != "") || err != nil && !strings.Contains(err.Error(), test.bad) {
			t.Errorf("%s: %v, want %q", name, err, test.bad)
		}
		if err != nil {
			continue
		}
		if failure := r.Err(); (failure != nil) != (test.fail != "") || failure != nil && failure.Error() != test.fail {
			t.Errorf("%s: %v, want %q", name, failure, test.fail)
		}
	}
}

// What is absent is not said: an older guest must not take it for a wish.
func TestRequestLeavesOutWhatIsAbsent(t *testing.T) {
	if got := marshal(t, Request{Time: time.Unix(0, 0).UTC()}); got != `{"time":"1970-01-01T00:00:00Z"}` {
		t.Errorf("request = %s", got)
	}
}

// A result survives the way to the host, whatever its texts are.
func FuzzParseResult(f *testing.F) {
	f.Add([]byte(`{"steps":[{"name":"clock","tookNs":1}]}`))
	f.Fuzz(func(t *testing.T, out []byte) {
		r, err := ParseResult(out)
		if err != nil {
			return
		}
		again, err := ParseResult([]byte(marshal(t, r)))
		if err != nil || marshal(t, again) != marshal(t, r) {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
	})
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
