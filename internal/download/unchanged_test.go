package download

import (
	"net/http"
	"testing"
)

func TestUnchanged(t *testing.T) {
	o := newOrigin(t, 1000)
	for name, c := range map[string]struct {
		etag  string
		fault func(w http.ResponseWriter)
		want  bool
	}{
		"the same":               {`"one"`, nil, true},
		"another":                {`"two"`, nil, false},
		"a weak one":             {`W/"one"`, nil, false},
		"none":                   {"", nil, false},
		"a server that knows no": {`"one"`, func(w http.ResponseWriter) { answer(w, 200, "ETag", `"one"`) }, true},
		"one that says nothing":  {`"one"`, func(w http.ResponseWriter) { answer(w, 200) }, false},
		"an error":               {`"one"`, func(w http.ResponseWriter) { answer(w, 500, "ETag", `"one"`) }, false},
	} {
		o.faults(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			if c.fault != nil {
				c.fault(w)
			}
			return c.fault != nil
		})
		if got := (Options{}).Unchanged(t.Context(), o.URL, c.etag); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
		if _, sent := o.count(); sent > 2 {
			t.Errorf("%s: %d bytes were sent", name, sent)
		}
	}
	if (Options{}).Unchanged(t.Context(), "http://127.0.0.1:1/x", `"one"`) || (Options{}).Unchanged(t.Context(), "::", `"one"`) {
		t.Error("nobody has said so")
	}
}

// A file that comes as a whole has an ETag as well.
func TestETagOfAWhole(t *testing.T) {
	o := newOrigin(t, 1000)
	o.faults(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("ETag", o.etag)
		_, _ = w.Write(o.body)
		return true
	})
	if r := o.fetches(o.options()); r.ETag != o.etag {
		t.Errorf("got %+v", r)
	}
}
