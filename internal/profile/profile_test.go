package profile_test

import (
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/profile"
)

func TestTables(t *testing.T) {
	for _, test := range []struct {
		name string
		got  profile.Profile
		want map[string][2]string // service: URL, health URL
		port map[string]int       // service: guest port
	}{
		{
			name: "stack-auth",
			got:  profile.StackAuth(81),
			want: map[string][2]string{
				"dashboard": {"http://localhost:26700", "http://127.0.0.1:26700/handler/sign-in"},
				"backend":   {"http://localhost:26701", "http://127.0.0.1:26701/health?db=1"},
				"storage":   {"http://localhost:26702", "http://127.0.0.1:26702/minio/health/live"},
				"mail":      {"http://localhost:26703", "http://127.0.0.1:26703/"},
			},
			port: map[string]int{"dashboard": 8101, "backend": 8102, "storage": 9090, "mail": 9001},
		},
		{
			name: "reference",
			got:  profile.Reference(92).WithHostBase(26710),
			want: map[string][2]string{
				"dashboard": {"http://localhost:26710", "http://127.0.0.1:26710/handler/sign-in"},
				"backend":   {"http://localhost:26711", "http://127.0.0.1:26711/health?db=1"},
				"storage":   {"http://localhost:26712", "http://127.0.0.1:26712/minio/health/live"},
				"mail":      {"http://localhost:26713", "http://127.0.0.1:26713/"},
			},
			port: map[string]int{"dashboard": 9201, "backend": 9202, "storage": 9090, "mail": 9001},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.got.Name != test.name || len(test.got.Services) != len(test.want) {
				t.Errorf("got %s with %d services, want %s with %d", test.got.Name, len(test.got.Services), test.name, len(test.want))
			}
			for name, urls := range test.want {
				s, ok := test.got.Service(name)
				if !ok || s.URL() != urls[0] || s.HealthURL() != urls[1] || s.GuestPort != test.port[name] {
					t.Errorf("%s: got %+v, %s, %s", name, s, s.URL(), s.HealthURL())
				}
			}
		})
	}
}

func TestByName(t *testing.T) {
	for _, name := range profile.Names() {
		if p, err := profile.ByName(name, 81); err != nil || p.Name != name {
			t.Errorf("ByName(%q) = %q, %v", name, p.Name, err)
		}
	}
	_, err := profile.ByName("other", 81)
	if err == nil || !strings.Contains(err.Error(), "reference, stack-auth") {
		t.Errorf("an unknown profile: %v, want the known ones", err)
	}
}

func TestWithHostPorts(t *testing.T) {
	base := profile.Reference(81)
	got, err := base.WithHostPorts(map[string]int{"dashboard": 3000, "storage": 3002})
	if err != nil {
		t.Fatal(err)
	}
	if got.Services[0].HostPort != 3000 || got.Services[1].HostPort != 26701 {
		t.Errorf("got %+v", got.Services)
	}
	if base.Services[0].HostPort != 26700 {
		t.Error("the profile that it was called on has changed")
	}
	if _, err := base.WithHostPorts(map[string]int{"dashboard": 26701}); err == nil ||
		!strings.Contains(err.Error(), "port 26701 is given to both dashboard and backend") {
		t.Errorf("two services at one port: %v", err)
	}
}

func TestServiceMissing(t *testing.T) {
	if s, ok := profile.Reference(81).Service("queue"); ok {
		t.Errorf("reference has a queue: %+v", s)
	}
}

func TestOffering(t *testing.T) {
	whole := profile.Reference(81)
	for _, test := range []struct {
		names []string
		want  int
	}{
		{nil, 4}, {[]string{}, 4}, {[]string{"dashboard", "backend"}, 2}, {[]string{"mail", "queue"}, 1},
	} {
		got := whole.Offering(test.names)
		if len(got.Services) != test.want {
			t.Errorf("Offering(%q) has %d services, want %d", test.names, len(got.Services), test.want)
		}
	}
	if got, _ := whole.Offering([]string{"mail"}).Service(profile.Mail); got.HostPort != 26703 {
		t.Errorf("mail is at %d: a service that is left out gives its port to nobody", got.HostPort)
	}
	if len(whole.Services) != 4 {
		t.Error("the profile itself was changed")
	}
}
