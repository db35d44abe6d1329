package lifecycle

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// story feeds events and writes what comes of them, one line each, so that a test reads as a story.
func story(i *Instance, now time.Time, events ...Event) []string {
	var lines []string
	for _, ev := range events {
		for _, e := range i.Step(now, ev) {
			lines = append(lines, tell(e))
		}
	}
	return lines
}

func tell(e Effect) string {
	switch e := e.(type) {
	case Enter:
		return e.To.String()
	case Arm:
		return "deadline " + e.For.String()
	case Shutdown:
		return "shutdown " + e.Rung.String()
	case Wait:
		return "wait " + e.For.String()
	case Prepare:
		return fmt.Sprintf("prepare%s%s", map[bool]string{true: " cold"}[e.Cold], map[bool]string{true: " captured"}[e.Captured])
	case Fallback:
		return "fallback: " + e.Err.Error()
	case Finish:
		return fmt.Sprintf("finish %v", e.Err)
	default:
		return strings.ToLower(reflect.TypeOf(e).Name())
	}
}

func check(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

var (
	t0 = time.Unix(1_000_000, 0)
	// The three ways, each from its start to Ready or to its end. A capture goes on to be resumed.
	good     = []Event{Start{}, Prepared{}, MonitorUp{}, GuestUp{}, Refreshed{}, PortsOpened{}, Healthy{}, Confirmed{}}
	warm     = []Event{Start{}, Prepared{Way: Resume, Sessions: true}, MonitorUp{}, Loaded{}, Refreshed{}, PortsOpened{}, Healthy{}, Confirmed{}}
	captured = []Event{Start{}, Prepared{Way: Capture}, MonitorUp{}, GuestUp{}, PortsOpened{}, Healthy{}, Saved{}, Died{PoweredOff: true}, Drained{}, Sealed{}}
	adopted  = []Event{Start{}, Prepared{Way: Adopt, Sessions: true}, MonitorUp{}, Healthy{}, Confirmed{}}
	errBoom  = errors.New("boom")
)

// at brings an instance to a state by the shortest way.
func at(t *testing.T, s State) *Instance {
	t.Helper()
	i := New(DefaultPolicy())
	switch s {
	case Pulling:
		story(i, t0, Start{}, ImageMissing{errBoom})
	case Draining:
		story(i, t0, append(good, Died{Err: errBoom})...)
	case Backoff:
		story(i, t0, append(good, Died{Err: errBoom}, Drained{})...)
	case Stopping:
		story(i, t0, append(good, Stop{})...)
	case Capturing:
		story(i, t0, captured[:2]...)
	case Resuming:
		story(i, t0, warm[:2]...)
	case Adopting:
		story(i, t0, adopted[:2]...)
	case Saving:
		story(i, t0, append(warm, Stop{})...)
	case Stopped:
		story(i, t0, Stop{})
	case Failed:
		story(i, t0, Start{}, PrepareFailed{errBoom}, Drained{})
	default:
		for n := 0; i.State() != s; n++ {
			i.Step(t0, good[n])
		}
	}
	if i.State() != s {
		t.Fatalf("at %v, want %v", i.State(), s)
	}
	return i
}

func TestColdStart(t *testing.T) {
	check(t, story(New(DefaultPolicy()), t0, Start{}, Prepared{}, MonitorUp{}, GuestUp{}, GuestUp{}, Refreshed{}, PortsOpened{}, GuestUp{}, Healthy{}, GuestUp{}, Confirmed{}),
		"preparing", "deadline 6m0s", "prepare",
		"cold-booting", "deadline 30s", "boot",
		"deadline 1m40s",
		"refreshing", "deadline 1m0s", "refresh",
		"openports",
		"probing", "deadline 4m0s", "probe",
		"confirm",
		"ready", "disarm")
}

// Without an image one is pulled first. That has no deadline.
func TestPull(t *testing.T) {
	check(t, story(New(DefaultPolicy()), t0, Start{}, ImageMissing{errBoom}, ImageMissing{errBoom}, DeadlinePassed{errBoom}, Pulled{}, Pulled{}, Prepared{}),
		"preparing", "deadline 6m0s", "prepare",
		"pulling", "disarm", "pull",
		"preparing", "deadline 6m0s", "prepare",
		"cold-booting", "deadline 30s", "boot")
}

// A sign of life that is ahead of the monitor's first answer counts.
func TestEarlySignOfLife(t *testing.T) {
	check(t, story(at(t, ColdBooting), t0, GuestUp{}, MonitorUp{}), "refreshing", "deadline 1m0s", "refresh")
}

func TestResume(t *testing.T) {
	check(t, story(New(DefaultPolicy()), t0, append(warm, Stop{}, Saved{}, Died{}, Drained{}, Sealed{}, Sealed{})...),
		"preparing", "deadline 6m0s", "prepare",
		"resuming", "deadline 30s", "boot",
		"deadline 30s", "load",
		"refreshing", "deadline 1m0s", "refresh",
		"openports",
		"probing", "deadline 45s", "probe",
		"confirm",
		"ready", "disarm",
		"saving", "deadline 1m0s", "save",
		"deadline 5s", "shutdown quit",
		"deadline 20s", "drain",
		"deadline 1m0s", "seal",
		"stopped", "disarm", "finish <nil>")
}

// Services that can be reached at once are asked at once. That all are well counts when the guest is up to date, and not before.
func TestOpenResume(t *testing.T) {
	loaded := []Event{Start{}, Prepared{Way: Resume, Sessions: true, Open: true}, MonitorUp{}, Loaded{}}
	for name, test := range map[string]struct {
		events []Event
		want   []string
	}{
		"services first": {[]Event{Healthy{}, Refreshed{}, PortsOpened{}, Confirmed{}},
			[]string{"openports", "probing", "deadline 45s", "confirm", "ready", "disarm"}},
		"guest first": {[]Event{Refreshed{}, PortsOpened{}, Healthy{}, Confirmed{}},
			[]string{"openports", "probing", "deadline 45s", "confirm", "ready", "disarm"}},
		"it fails": {[]Event{Healthy{}, StageFailed{errBoom}, Drained{}},
			[]string{"draining", "deadline 20s", "fallback: resume: boom", "drain", "preparing", "deadline 6m0s", "prepare cold"}},
		"the next one boots": {[]Event{Healthy{}, StageFailed{errBoom}, Drained{}, Prepared{}, MonitorUp{}, GuestUp{}, Refreshed{}, PortsOpened{}},
			[]string{"draining", "deadline 20s", "fallback: resume: boom", "drain", "preparing", "deadline 6m0s", "prepare cold",
				"cold-booting", "deadline 30s", "boot", "deadline 1m40s", "refreshing", "deadline 1m0s", "refresh", "openports",
				"probing", "deadline 4m0s", "probe"}},
	} {
		t.Run(name, func(t *testing.T) {
			i := New(DefaultPolicy())
			check(t, story(i, t0, loaded...)[8:], "refreshing", "deadline 1m0s", "refresh", "probe")
			check(t, story(i, t0, test.events...), test.want...)
		})
	}
}

// A capture that is stopped is no success, unless it had been published or there was one before.
func TestStoppedCapture(t *testing.T) {
	only := Start{CaptureOnly: true}
	end := func(events ...Event) string {
		all := story(New(DefaultPolicy()), t0, events...)
		return all[len(all)-1]
	}
	if got := end(only, Prepared{Way: Capture}, Stop{}, Drained{}); got != "finish "+ErrNotCaptured.Error() {
		t.Errorf("while it boots: %s", got)
	}
	if got := end(only, Prepared{Way: Resume}, Drained{}); got != "finish <nil>" {
		t.Errorf("there is one: %s", got)
	}
	all := append([]Event{only}, captured[1:]...)
	if got := end(append(all[:len(all)-1:len(all)-1], Stop{}, Sealed{})...); got != "finish <nil>" {
		t.Errorf("while it is published: %s", got)
	}
}

// The VM of a dead supervisor is not touched, only asked.
func TestAdoption(t *testing.T) {
	check(t, story(New(DefaultPolicy()), t0, append(adopted, GuestUp{}, Stop{})...),
		"preparing", "deadline 6m0s", "prepare",
		"adopting", "deadline 30s", "boot",
		"probing", "deadline 45s", "probe",
		"confirm",
		"ready", "disarm",
		"saving", "deadline 1m0s", "save")
	check(t, story(at(t, Adopting), t0, DeadlinePassed{errBoom}, Drained{}),
		"draining", "deadline 20s", "fallback: adoption: boom", "drain",
		"preparing", "deadline 6m0s", "prepare cold")
	check(t, story(at(t, Adopting), t0, Stop{})[:3], "stopping", "deadline 40s", "shutdown agent")
}

// A first start captures, and then resumes what it has captured.
func TestCaptureThenResume(t *testing.T) {
	check(t, story(New(DefaultPolicy()), t0, append(captured, warm[1:3]...)...),
		"preparing", "deadline 6m0s", "prepare",
		"capturing", "deadline 30s", "boot",
		"deadline 1m40s",
		"deadline 4m0s", "openports",
		"probe",
		"saving", "deadline 1m0s", "save",
		"deadline 5s", "shutdown quit",
		"deadline 20s", "drain",
		"deadline 1m0s", "seal",
		"preparing", "deadline 6m0s", "prepare captured",
		"resuming", "deadline 30s", "boot",
		"deadline 30s", "load")
}

func TestCaptureOnly(t *testing.T) {
	i := New(DefaultPolicy())
	story(i, t0, Start{CaptureOnly: true})
	check(t, story(i, t0, captured[1:]...)[16:], "stopped", "disarm", "finish <nil>")

	i = New(DefaultPolicy())
	check(t, story(i, t0, Start{CaptureOnly: true}, Prepared{Way: Resume}, Drained{})[3:], "draining", "deadline 20s", "drain", "stopped", "disarm", "finish <nil>")
}

// Every failure of a resume or of a capture, at whatever step, leads to a cold boot without a pause.
func TestFallback(t *testing.T) {
	for way, events := range map[Way][]Event{Resume: warm[:len(warm)-1], Capture: captured[:6]} {
		for n := 2; n <= len(events); n++ {
			for _, failure := range []Event{Died{Err: errBoom}, Died{Err: errBoom, Misconfigured: true}, StageFailed{errBoom}, DeadlinePassed{errBoom}} {
				i := New(DefaultPolicy())
				story(i, t0, events[:n]...)
				check(t, story(i, t0, failure, Drained{}),
					"draining", "deadline 20s", "fallback: "+way.String()+": boom", "drain", "preparing", "deadline 6m0s", "prepare cold")
			}
		}
	}
	i := New(DefaultPolicy())
	story(i, t0, captured[:9]...)
	check(t, story(i, t0, SealFailed{errBoom}, Drained{})[2:], "fallback: capture: boom", "drain", "preparing", "deadline 6m0s", "prepare cold")
}

func TestNoFallbackWhereItIsForbidden(t *testing.T) {
	policy := DefaultPolicy()
	policy.RequireSnapshot = true
	i := New(policy)
	story(i, t0, warm[:3]...)
	check(t, story(i, t0, StageFailed{errBoom}, Drained{})[4:], "failed", "disarm", "finish resume: boom")
}

// Once ready, a resumed machine that is lost is lost like any other.
func TestResumedMachineDies(t *testing.T) {
	i := New(DefaultPolicy())
	story(i, t0, warm...)
	check(t, story(i, t0, Died{Err: errBoom}, Drained{}, BackoffOver{}),
		"draining", "deadline 20s", "drain", "backoff", "disarm", "wait 500ms", "preparing", "deadline 6m0s", "prepare")
}

func TestStopThatCannotSave(t *testing.T) {
	check(t, story(at(t, Saving), t0, SaveFailed{errBoom}, Died{PoweredOff: true}, Drained{}),
		"stopping", "deadline 40s", "shutdown agent", "deadline 20s", "drain", "stopped", "disarm", "finish <nil>")
	check(t, story(at(t, Saving), t0, Died{Err: errBoom}, Drained{}),
		"stopping", "deadline 20s", "drain", "stopped", "disarm", "finish "+ErrUnclean.Error())
	check(t, story(at(t, Saving), t0, Stop{Kill: true}, Drained{}),
		"stopping", "deadline 20s", "drain", "stopped", "disarm", "finish "+ErrUnclean.Error())
	check(t, story(at(t, Saving), t0, Saved{}, DeadlinePassed{errBoom}, Drained{}, SealFailed{errBoom})[6:],
		"stopped", "disarm", "finish "+ErrUnclean.Error()+": the session could not be saved: boom")
}

func TestShutdownLadder(t *testing.T) {
	check(t, story(at(t, Ready), t0,
		Stop{}, RungFailed{RungAgent, errBoom}, RungFailed{RungAgent, errBoom}, DeadlinePassed{errBoom}, DeadlinePassed{errBoom}, Died{}, Drained{}, Drained{}),
		"stopping", "deadline 40s", "shutdown agent",
		"deadline 30s", "shutdown acpi", // once, although the agent failed twice
		"deadline 5s", "shutdown quit",
		"deadline 20s", "drain",
		"stopped", "disarm", "finish "+ErrUnclean.Error())
}

func TestStop(t *testing.T) {
	for _, c := range []struct {
		name   string
		at     State
		events []Event
		want   []string
	}{
		{"by the guest agent", Ready, []Event{Stop{}, Died{PoweredOff: true}, Drained{}},
			[]string{"stopping", "deadline 40s", "shutdown agent", "deadline 20s", "drain", "stopped", "disarm", "finish <nil>"}},
		{"second Ctrl-C", Ready, []Event{Stop{}, Stop{Kill: true}, Stop{Kill: true}, Died{}, Drained{}},
			[]string{"stopping", "deadline 40s", "shutdown agent", "deadline 20s", "drain", "stopped", "disarm", "finish " + ErrUnclean.Error()}},
		{"QEMU dies under the ladder", Ready, []Event{Stop{}, Died{Err: errBoom}, Drained{}},
			[]string{"stopping", "deadline 40s", "shutdown agent", "deadline 20s", "drain", "stopped", "disarm", "finish " + ErrUnclean.Error()}},
		{"before anything", Absent, []Event{Stop{}}, []string{"stopped", "disarm", "finish <nil>"}},
		{"while preparing", Preparing, []Event{Stop{}, Prepared{}, Drained{}},
			[]string{"stopping", "deadline 20s", "drain", "stopped", "disarm", "finish <nil>"}},
		{"while an image is pulled", Pulling, []Event{Stop{}, PullFailed{errBoom}, Pulled{}, Drained{}},
			[]string{"stopping", "deadline 20s", "drain", "stopped", "disarm", "finish <nil>"}},
		{"while QEMU starts", ColdBooting, []Event{Stop{}, MonitorUp{}, Died{}, Drained{}},
			[]string{"stopping", "deadline 20s", "drain", "stopped", "disarm", "finish <nil>"}},
		{"while a generation drains", Draining, []Event{Stop{}, Drained{}}, []string{"stopped", "disarm", "finish <nil>"}},
		{"in a backoff", Backoff, []Event{Stop{}, BackoffOver{}, Drained{}},
			[]string{"stopping", "deadline 20s", "drain", "stopped", "disarm", "finish <nil>"}},
		{"guest powers itself off", Ready, []Event{Died{PoweredOff: true}, Drained{}},
			[]string{"draining", "deadline 20s", "drain", "stopped", "disarm", "finish <nil>"}},
		{"machine cannot be killed", Ready, []Event{Stop{Kill: true}, DeadlinePassed{errBoom}},
			[]string{"stopping", "deadline 20s", "drain", "failed", "disarm", "finish boom"}},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, story(at(t, c.at), t0, c.events...), c.want...) })
	}
}

func TestDeathsThenFailed(t *testing.T) {
	i := at(t, Ready)
	life := append([]Event{Drained{}, BackoffOver{}}, good[1:]...)
	check(t, story(i, t0, append([]Event{Died{Err: errors.New("first")}}, life...)...)[3:5], "backoff", "disarm")
	check(t, story(i, t0, append([]Event{Died{Err: errors.New("second")}}, life...)...)[3:6], "backoff", "disarm", "wait 1s")
	got := story(i, t0, Died{Err: errors.New("third")}, Drained{})
	check(t, got[3:], "failed", "disarm", "finish gave up after 3 lost machines in 10m0s: third; before that: second; before that: first")
}

func TestOldDeathsAreForgiven(t *testing.T) {
	i, now := at(t, Ready), t0
	for n := range 10 {
		story(i, now, append([]Event{Died{Err: errBoom}, Drained{}, BackoffOver{}}, good[1:]...)...)
		if i.State() != Ready {
			t.Fatalf("death %d in %v ended in %v", n, now.Sub(t0), i.State())
		}
		now = now.Add(i.policy.Window / 2)
	}
}

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name   string
		at     State
		events []Event
		want   []string
	}{
		{"cannot prepare", Preparing, []Event{PrepareFailed{errBoom}, Drained{}},
			[]string{"draining", "deadline 20s", "drain", "failed", "disarm", "finish boom"}},
		{"cannot pull", Pulling, []Event{PullFailed{errBoom}, Drained{}},
			[]string{"draining", "deadline 20s", "drain", "failed", "disarm", "finish boom"}},
		{"the image is gone again", Pulling, []Event{Pulled{}, ImageMissing{errBoom}, Drained{}},
			[]string{"preparing", "deadline 6m0s", "prepare", "draining", "deadline 20s", "drain", "failed", "disarm", "finish boom"}},
		{"QEMU refuses its command line", ColdBooting, []Event{Died{Err: errBoom, Misconfigured: true}, Drained{}},
			[]string{"draining", "deadline 20s", "drain", "failed", "disarm", "finish boom"}},
		{"the guest stands still, and so does the next one", ColdBooting, []Event{MonitorUp{}, DeadlinePassed{errBoom}, Drained{}, BackoffOver{}, Prepared{}, MonitorUp{}},
			[]string{"deadline 1m40s", "draining", "deadline 20s", "drain", "backoff", "disarm", "wait 500ms", "preparing", "deadline 6m0s", "prepare",
				"cold-booting", "deadline 30s", "boot", "deadline 1m40s"}},
		{"services never healthy", Probing, []Event{DeadlinePassed{errBoom}, Drained{}},
			[]string{"draining", "deadline 20s", "drain", "backoff", "disarm", "wait 500ms"}},
		{"monitor lost for good", Ready, []Event{StageFailed{errBoom}, Died{Err: errBoom}, Drained{}, BackoffOver{}},
			[]string{"draining", "deadline 20s", "drain", "backoff", "disarm", "wait 500ms", "preparing", "deadline 6m0s", "prepare"}},
		{"QEMU survives SIGKILL", Draining, []Event{DeadlinePassed{errors.New("stuck")}},
			[]string{"failed", "disarm", "finish gave up after 2 lost machines in 10m0s: stuck; before that: boom"}},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, story(at(t, c.at), t0, c.events...), c.want...) })
	}
}

// Every event in every state: nothing panics, a final state stays, and a stop always leads to an end.
func TestEveryEventInEveryState(t *testing.T) {
	events := []Event{Start{}, Start{CaptureOnly: true}, Prepared{}, Prepared{Way: Capture}, Prepared{Way: Resume, Sessions: true}, PrepareFailed{errBoom}, ImageMissing{errBoom}, Pulled{}, PullFailed{errBoom}, MonitorUp{}, GuestUp{},
		Loaded{}, Refreshed{}, PortsOpened{}, Healthy{}, Saved{}, SaveFailed{errBoom}, Sealed{}, SealFailed{errBoom}, Died{Err: errBoom}, Died{PoweredOff: true}, StageFailed{errBoom},
		DeadlinePassed{errBoom}, Drained{}, BackoffOver{}, Stop{}, Stop{Kill: true}, RungFailed{RungAgent, errBoom}, RungFailed{RungQuit, errBoom}}
	for s := Absent; s <= Failed; s++ {
		for _, ev := range events {
			i := at(t, s)
			before := i.State()
			effects := i.Step(t0, ev)
			if before.Final() && (len(effects) > 0 || i.State() != before) {
				t.Errorf("%v + %T: left a final state for %v", before, ev, i.State())
			}
			for n := 0; n < 10 && !i.State().Final(); n++ {
				story(i, t0, Stop{Kill: true}, Died{}, Drained{}, Sealed{})
			}
			if !i.State().Final() {
				t.Errorf("%v + %T, then stop: stays in %v", before, ev, i.State())
			}
		}
	}
}
