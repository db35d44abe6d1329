package guest

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"
)

func TestParseSerial(t *testing.T) {
	cases := []struct {
		line string
		want serialEvent
		ok   bool
	}{
		{"STACK_CLOUD_INIT_DONE", serialEvent{Done: true}, true},
		{"STACK_CLOUD_INIT_DONE\r", serialEvent{Done: true}, true},
		{"\x1b[0;32mSTACK_CLOUD_INIT_DONE\x1b[0m\r", serialEvent{Done: true}, true},
		{"\x1b[!p\x1b]104\x1b[?7h", serialEvent{}, false},
		{"echo STACK_CLOUD_INIT_DONE", serialEvent{}, false},
		{"STACK_CLOUD_INIT_DONE?", serialEvent{}, false},
		{"[   12.3] sh[3]: STACK_CLOUD_INIT_DONE", serialEvent{}, false},
		{"STACK_CLOUD_INIT_FAILED: starting the stack (exit code 1)\r",
			serialEvent{Failed: "starting the stack (exit code 1)"}, true},
		{"STACK_PROVISION: waiting for the stack", serialEvent{Progress: "waiting for the stack"}, true},
		{"STACK_SERVICES_READY", serialEvent{}, false},
		{"\x1b", serialEvent{}, false},
		{"\x1b[", serialEvent{}, false},
		{"", serialEvent{}, false},
	}
	for _, c := range cases {
		if got, ok := parseSerial(c.line); got != c.want || ok != c.ok {
			t.Errorf("parseSerial(%q) = %+v, %v; want %+v, %v", c.line, got, ok, c.want, c.ok)
		}
	}
}

func TestReadSerial(t *testing.T) {
	console := "SeaBIOS\r\nSTACK_PROVISION: one\r\n" + strings.Repeat("x", 3*maxSerialLine) +
		"\nSTACK_PROVISION: two\n\x00\xff\nSTACK_CLOUD_INIT_DONE"
	var log bytes.Buffer
	var events []serialEvent
	err := readSerial(iotest.HalfReader(strings.NewReader(console)), &log, func(e serialEvent) { events = append(events, e) })
	if err != nil || log.String() != console {
		t.Errorf("%v; %d of %d bytes logged", err, log.Len(), len(console))
	}
	if len(events) != 3 || events[0].Progress != "one" || events[1].Progress != "two" || !events[2].Done {
		t.Errorf("events %+v", events)
	}
}

func FuzzParseSerial(f *testing.F) {
	f.Add("\x1b[0;32mSTACK_CLOUD_INIT_DONE\r")
	f.Add("STACK_CLOUD_INIT_FAILED:\x1b")
	f.Fuzz(func(t *testing.T, line string) {
		e, ok := parseSerial(line)
		if e.Done && !strings.Contains(line, "DONE") || !ok && e != (serialEvent{}) {
			t.Errorf("parseSerial(%q) = %+v, %v", line, e, ok)
		}
	})
}
