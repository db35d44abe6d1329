package guest

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestSourcesFromTargets(t *testing.T) {
	line := func(fields ...string) string { return strings.Join(fields, "\t") + "\n" }
	debian := line("Packages", "Debian", "Debian", "oldstable", "bookworm", "main", "http://mirror.example/debian/")
	cases := []struct {
		name, targets string
		want          []string
	}{
		{"archive and security",
			line("DEP-11", "Debian", "Debian", "oldstable", "bookworm", "main", "http://other.example/") + debian +
				line("Packages", "Debian", "Debian", "oldstable-updates", "bookworm-updates", "main", "http://later.example/debian/") +
				line("Packages", "Debian Backports", "Debian Backports", "x", "bookworm-backports", "main", "http://mirror.example/debian/") +
				line("Packages", "Debian", "Debian-Security", "x", "bookworm-security", "main", "https://mirror.example/security"),
			[]string{"deb http://mirror.example/debian trixie main", "deb http://mirror.example/debian trixie-updates main",
				"deb https://mirror.example/security trixie-security main"}},
		{"local copy", line("Packages", "Debian", "Debian", "stable", "trixie", "main", "file:/srv/debian/"),
			[]string{"deb file:/srv/debian trixie main", "deb file:/srv/debian trixie-updates main"}},
		{"CD-ROM first", line("Packages", "Debian", "Debian", "stable", "trixie", "main", "cdrom://Debian 13/") + debian,
			[]string{"deb http://mirror.example/debian trixie main", "deb http://mirror.example/debian trixie-updates main"}},
		{"another distribution", line("Packages", "Ubuntu", "Ubuntu", "noble", "noble", "main", "http://mirror.example/ubuntu/"), nil},
		{"not main", line("Packages", "Debian", "Debian", "stable", "trixie", "contrib", "http://mirror.example/debian/"), nil},
		{"before apt-get update", line("Packages", "$(ORIGIN)", "$(LABEL)", "", "", "main", "http://mirror.example/debian/"), nil},
		{"an option in the URI", line("Packages", "Debian", "Debian", "s", "trixie", "main", "http://x/ [trusted=yes]"), nil},
		{"nothing", "", nil},
		{"noise", "W: something\n\n", nil},
	}
	for _, c := range cases {
		got, err := sourcesFromTargets(c.targets)
		if !slices.Equal(got, c.want) || errors.Is(err, errNoMirror) != (c.want == nil) {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestPackageSourcesFromTheCaller(t *testing.T) {
	got, err := packageSources(t.Context(), "http://mirror.example/debian/")
	want := []string{"deb http://mirror.example/debian trixie main", "deb http://mirror.example/debian trixie-updates main"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestProxiesFromConfig(t *testing.T) {
	dump := `APT "";
Acquire "";
Acquire::http "";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::http::Proxy::mirror.example "DIRECT";
Acquire::https::CaInfo "/etc/ssl/own.pem";
Acquire::Check-Valid-Until "false";
Acquire::http::Pipeline-Depth "0";
`
	want := []string{`Acquire::http::Proxy "http://proxy.example:3128";`, `Acquire::http::Proxy::mirror.example "DIRECT";`,
		`Acquire::https::CaInfo "/etc/ssl/own.pem";`}
	if got := proxiesFromConfig(dump); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
