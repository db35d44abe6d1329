package guest

import (
	"bytes"
	"strconv"
	"testing"
)

func TestWriteCPIO(t *testing.T) {
	var out bytes.Buffer
	err := writeCPIO(&out, []cpioFile{
		{Name: "init", Mode: 0o755, Data: []byte("#!")},
		{Name: "a/b/c", Mode: 0o644, Data: []byte("12345")},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for rest := out.Bytes(); len(rest) > 0; {
		name, mode, data, next := readCPIO(t, rest)
		got, rest = append(got, strconv.FormatInt(mode, 8)+" "+name+" "+string(data)), next
	}
	want := []string{"40755 a ", "40755 a/b ", "100755 init #!", "100644 a/b/c 12345", "0 TRAILER!!! "}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("entries %q, want %q", got, want)
		}
	}
}

// readCPIO reads one entry of the newc format and returns what follows.
func readCPIO(t *testing.T, b []byte) (name string, mode int64, data, rest []byte) {
	t.Helper()
	field := func(i int) int64 {
		n, err := strconv.ParseInt(string(b[6+8*i:14+8*i]), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if string(b[:6]) != "070701" {
		t.Fatalf("magic %q", b[:6])
	}
	round := func(n int64) int64 { return (n + 3) / 4 * 4 }
	nameEnd := 110 + field(11)
	name = string(b[110 : nameEnd-1])
	begin := round(nameEnd)
	return name, field(1), b[begin : begin+field(6)], b[round(begin+field(6)):]
}
