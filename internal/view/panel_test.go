package view_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stackemu/stackemu/internal/view"
)

var keys = []view.Key{{Key: "q", Does: "stop", Help: "stop what runs here"}, {Key: "l", Does: "log", Help: "show the end of the console"}}

// console is a guest's console that has said lines up to now.
type console struct{ said atomic.Int32 }

func (c *console) last(count int) (lines []string) {
	said := int(c.said.Load())
	for n := max(said-count, 0) + 1; n <= said; n++ {
		lines = append(lines, fmt.Sprint("line ", n))
	}
	return lines
}

func TestPanel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, true, false)
		v.Panel(keys)
		var c console
		v.Follow("default", c.last)
		v.State("default", "probing", time.Second, "")
		v.Services("default", []view.Service{{Name: "dashboard", Note: "nothing listens there"}, {Name: "backend", Healthy: true, Took: time.Second}})
		c.said.Store(2)
		settle(time.Second)
		m.want(`
default  probing        2.0s
  … dashboard  nothing listens there
  ✓ backend     1.0s
  line 1
  line 2
q stop   l log`)
		v.Services("default", []view.Service{{Name: "dashboard", Healthy: true, Took: 2 * time.Second}})
		v.Ready("default", 2*time.Second, "resumed", []view.URL{
			{Name: "dashboard", URL: "http://localhost:26700"}, {Name: "backend", URL: "http://localhost:26701"},
		})
		v.Memory("default", "400 MiB private, 1.2 GiB shared")
		c.said.Store(20)
		settle(5 * time.Second)
		ready := `
default  probing       took 1.0s
default  ready          2.0s  resumed
default  ready         up 5.0s  400 MiB private, 1.2 GiB shared
  ✓ dashboard  http://localhost:26700
  ✓ backend    http://localhost:26701
`
		m.want(ready + `  line 15
  line 16
  line 17
  line 18
  line 19
  line 20
q stop   l log`)
		v.ToggleLog()
		v.ToggleHelp()
		settle(100 * time.Millisecond)
		ready = strings.Replace(ready, "5.0s", "5.1s", 1)
		m.want(ready + `  q  stop what runs here
  l  show the end of the console
q stop   l log`)
		v.ToggleHelp()
		v.Services("default", []view.Service{{Name: "backend", Note: "status 503"}})
		settle(100 * time.Millisecond)
		ready = strings.Replace(ready, "5.1s", "5.2s", 1)
		m.want(strings.Replace(ready, "✓ backend    http://localhost:26701", "✗ backend    http://localhost:26701  status 503", 1) + "q stop   l log")
		if m.styled || !m.hidden {
			t.Errorf("cursor hidden %v, a style left on %v", m.hidden, m.styled)
		}
		v.Close()
		m.want("\ndefault  probing       took 1.0s\ndefault  ready          2.0s  resumed")
		if m.hidden {
			t.Error("the cursor is still hidden")
		}
	})
}

// The keys stay in sight, whatever else there is.
func TestPanelHasNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, true, true)
		defer v.Close()
		v.Panel(keys)
		for n := range 30 {
			name := fmt.Sprintf("i%02d", n)
			v.State(name, "absent", 0, "")
			v.Serial(name, "words")
		}
		settle(time.Second)
		rows := strings.Split(m.shows(), "\n")
		if len(rows) != 23 || rows[22] != "q stop   l log" || strings.Contains(m.shows(), "words") {
			t.Errorf("%d rows:\n%s", len(rows), m.shows())
		}
	})
}

func TestPanelOfSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, true, true)
		defer v.Close()
		v.Panel(keys)
		for _, name := range []string{"a", "b", "c"} {
			v.State(name, "cold-booting", 0, "")
		}
		v.Serial("a", "one")
		v.Serial("c", "\x1b[31mtwo\x07")
		settle(time.Second)
		m.want(`
a  cold-booting   1.0s
b  cold-booting   1.0s
c  cold-booting   1.0s
  a: one
  c: two
q stop   l log`)
		for _, name := range []string{"a", "b", "c"} {
			v.Gone(name)
		}
		settle(time.Second)
		m.want("")
	})
}

// While it is paused nothing is drawn, and nothing is lost.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, true, true)
		v.Panel(keys)
		v.State("a", "probing", 0, "")
		settle(time.Second)
		v.Pause()
		m.want("")
		if m.hidden {
			t.Error("the cursor is hidden")
		}
		v.Line(view.Warn, "meanwhile")
		settle(time.Minute)
		m.want("")
		v.Resume()
		settle(time.Second)
		m.want("\nwarning: meanwhile\na  probing       1m02s\nq stop   l log")
		if !m.hidden {
			t.Error("the cursor is not hidden")
		}
		v.Pause()
		v.Line(view.Info, "last")
		v.Close()
		v.Resume()
		m.want("\nwarning: meanwhile\nlast")
	})
}

func TestPanelOnAPlainStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, false, false)
		v.Panel(keys)
		v.Pause()
		v.Ready("a", time.Second, "resumed", []view.URL{{Name: "x", URL: "http://x"}})
		v.Memory("a", "much")
		v.ToggleHelp()
		v.Resume()
		v.Close()
		m.want("\na  ready          1.0s  resumed\n  x  http://x")
	})
}
