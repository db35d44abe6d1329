package view_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stackemu/stackemu/internal/view"
)

func TestRedrawsAtMostTenTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, true, true)
		for n := range 1000 {
			v.State("a", fmt.Sprint("state ", n), 0, "")
			time.Sleep(time.Millisecond)
		}
		v.Close()
		if m.writes > 12 { // ten, and two to leave
			t.Errorf("%d writes in a second", m.writes)
		}
	})
}

func TestNothingToShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, true, false)
		settle(time.Second)
		v.Close()
		if m.writes != 0 {
			t.Errorf("%d writes though there was nothing to say", m.writes)
		}
	})
}

// The block never is wider or higher than the terminal (80 x 24 where it does not say): it could not be erased.
func TestBlockFitsTheTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, true, true)
		for n := range 30 {
			v.State(fmt.Sprintf("i%02d", n), "absent", 0, strings.Repeat("語", 60))
		}
		settle(time.Second)
		rows := strings.Split(m.shows(), "\n")
		if len(rows) != 23 {
			t.Errorf("%d rows, want 23", len(rows))
		}
		for _, row := range rows {
			wide := strings.Count(row, "語")
			if columns := len([]rune(row)) + wide; columns > 79 || !strings.HasSuffix(row, "…") {
				t.Errorf("a row of %d columns: %s", columns, row)
			}
		}
		v.Close()
		m.want("\n")
	})
}

func TestManyGoroutines(t *testing.T) {
	v := view.New(newModel(t), true, false)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			name := fmt.Sprint("i", n)
			for k := range 200 {
				v.State(name, fmt.Sprint("s", k), 0, "")
				v.Services(name, []view.Service{{Name: "x", Healthy: k%2 == 0}})
				v.Serial(name, "line")
				v.Line(view.Info, "line")
			}
			v.Ready(name, 0, "resumed", nil)
		})
	}
	v.Close()
	all.Wait()
}
