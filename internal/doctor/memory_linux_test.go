package doctor

import "testing"

func TestParseMemory(t *testing.T) {
	total, available, err := parseMemory([]byte("MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable: 1024 kB\nHugePages_Total: 0\nX: y kB\n"))
	if err != nil || total != 2<<20 || available != 1<<20 {
		t.Errorf("got %d, %d, %v", total, available, err)
	}
	if _, _, err := parseMemory([]byte("nothing")); err == nil {
		t.Error("no error")
	}
}
