package bench

import (
	"os"
	"runtime"
	"testing"
)

func TestParseMemory(t *testing.T) {
	m, err := parseMemory([]byte(`55d0-7ffe ---p 00000000 00:00 0    [rollup]
Rss:              204800 kB
Shared_Clean:      51200 kB
Shared_Dirty:          0 kB
Private_Clean:      1024 kB
Private_Dirty:    102400 kB
`))
	if err != nil || m.private() != 101 || m.dirty() != 100 || m.shared() != 50 {
		t.Errorf("%v, %v, %v", m.private(), m.shared(), err)
	}
	for _, text := range []string{"", "Private_Clean: 1 kB\n", "Private_Dirty: x kB\n"} {
		if m, err := parseMemory([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, m)
		}
	}
}

func TestMemoryOfThisProcess(t *testing.T) {
	m, err := memoryOf(os.Getpid())
	if runtime.GOOS != "linux" {
		if _, skipped := err.(*skip); !skipped {
			t.Errorf("%v, %v", m, err)
		}
		return
	}
	if err != nil || m.private() <= 0 {
		t.Errorf("%v, %v", m, err)
	}
}
