package status

import "testing"

func TestParseMemory(t *testing.T) {
	const text = `55d0c0a00000-7ffd1b7fe000 ---p 00000000 00:00 0 [rollup]
Rss:              123456 kB
Shared_Clean:       1000 kB
Shared_Dirty:         24 kB
Private_Clean:       100 kB
Private_Dirty:      2000 kB
`
	m := parseMemory([]byte(text))
	if m == nil || m.Private != 2100<<10 || m.Shared != 1024<<10 {
		t.Errorf("got %+v", m)
	}
	for _, text := range []string{"", "Private_Dirty: 1 kB\n", "Private_Dirty: x kB\nShared_Dirty: 1 kB\n"} {
		if m := parseMemory([]byte(text)); m != nil {
			t.Errorf("%q: got %+v", text, m)
		}
	}
}
