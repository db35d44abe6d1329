package hostport

import (
	"net/netip"
	"strings"
	"testing"
)

func TestFindListener(t *testing.T) {
	// Rows as the kernel writes them: 8101 listening on 127.0.0.1, 8102 only in TIME_WAIT, 8103 on 10.0.2.15.
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1FA5 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1FA6 0100007F:D431 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0000000000000000
   2: 0F02000A:1FA7 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 333 1 0000000000000000 100 0 0 10 0
   3: nonsense
`
	for port, want := range map[int]listener{8101: {uid: "1000", inode: "111"}, 8102: {}, 8103: {}, 8104: {}} {
		got, found := findListener(strings.NewReader(table), port)
		if got != want || found != (want.inode != "") {
			t.Errorf("port %d: %+v, %v", port, got, found)
		}
	}
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:684C":                         "127.0.0.1:26700",
		"00000000000000000000000001000000:0050": "[::1]:80",
		"0000000000000000FFFF00000100007F:FFFF": "[::ffff:127.0.0.1]:65535",
	} {
		if got, ok := parseAddress(text); !ok || got != netip.MustParseAddrPort(want) {
			t.Errorf("%s: got %v, %v, want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{"", ":", "0100007F", "0100007F:", "0100007:0050", "0100007G:0050", "0100007F:10000"} {
		if got, ok := parseAddress(text); ok {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func FuzzFindListener(f *testing.F) {
	f.Add("   0: 0100007F:1FA5 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1", 8101)
	f.Fuzz(func(_ *testing.T, table string, port int) { findListener(strings.NewReader(table), port) })
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2Jb"); got != `a\x1b[2Jb` {
		t.Errorf("got %q", got)
	}
}
