package hostfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		tag, path string
		fits      bool
	}{
		{"hostfs", "/host", true}, {"mount-1", "/host/app", true}, {"a", "/host/a b/c", true}, {strings.Repeat("x", 31), "/host/x", true},
		{"a#b", "/host/...", true}, {"~", "/host/.x", true},

		{"", "/host", false}, {strings.Repeat("x", 32), "/host", false}, {"a b", "/host", false}, {"a,b", "/host", false},
		{"ä", "/host", false}, {"a\n", "/host", false}, {"a\x00", "/host", false}, {"a\x7f", "/host", false},

		{"a", "", false}, {"a", "/", false}, {"a", "host", false}, {"a", "host/a", false}, {"a", "/hostel", false}, {"a", "/etc", false},
		{"a", "/host/", false}, {"a", "/host/.", false}, {"a", "/host/..", false}, {"a", "/host/../etc", false}, {"a", "/host//a", false},
		{"a", "/host/a/../b", false}, {"a", "/host/a\x00", false}, {"a", "//host", false},
	} {
		m := Mount{Tag: test.tag, Path: test.path}
		err := m.Check("/host")
		if (err == nil) != test.fits {
			t.Errorf("%+v: %v", m, err)
		}
		if test.fits {
			continue // a mount is not for the machine of the test
		}
		if err := m.Try("/host"); err == nil || !strings.HasPrefix(err.Error(), "hostfs: ") {
			t.Errorf("%+v: Try: %v", m, err)
		}
	}
	if err := Default.Check(Dir); err != nil {
		t.Errorf("the mount of the contract: %v", err)
	}
}

// A device that is on its way is asked for again, less and less often, until it is there.
func TestWhenPlugged(t *testing.T) {
	absent := fmt.Errorf("tag: %w", ErrNoDevice)
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		until, want error
	}{"it comes": {nil, nil}, "it comes, but does not mount": {broken, broken}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Duration
				began := time.Now()
				err := whenPlugged(t.Context(), func() error {
					at = append(at, time.Since(began))
					if len(at) < 9 {
						return absent
					}
					return test.until
				})
				if !errors.Is(err, test.want) || len(at) != 9 {
					t.Fatalf("%v after %v", err, at)
				}
				for i := 1; i < len(at); i++ {
					if want := min(firstPause<<(i-1), maxPause); at[i]-at[i-1] != want {
						t.Errorf("pause %d is %v, want %v", i, at[i]-at[i-1], want)
					}
				}
			})
		})
	}
}

func TestWhenPluggedGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := whenPlugged(ctx, func() error { return ErrNoDevice }); !errors.Is(err, ErrNoDevice) || time.Since(began) != time.Second {
			t.Errorf("err = %v after %v", err, time.Since(began))
		}
		tries := 0
		err := whenPlugged(ctx, func() error { tries++; return nil }) // a late one still has its try
		if err != nil || tries != 1 {
			t.Errorf("err = %v after %d tries", err, tries)
		}
	})
}

// A directory of the host may hold any link: what is made and mounted on stays below dir.
func TestOpenPlace(t *testing.T) {
	base := t.TempDir()
	dir := base + "/host"
	for _, path := range []string{dir, dir + "/a/b"} {
		for range 2 {
			place, err := openPlace(dir, path)
			if err != nil {
				t.Fatal(err)
			}
			info, err := place.Stat()
			if err := errors.Join(err, place.Close()); err != nil || !info.IsDir() {
				t.Errorf("%s: %v, %v", path, info, err)
			}
		}
	}
	for link, target := range map[string]string{"out": base, "up": "..", "root": "/"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{link, link + "/made"} {
			if place, err := openPlace(dir, filepath.Join(dir, path)); err == nil {
				place.Close()
				t.Errorf("%s was opened", path)
			}
		}
	}
	if _, err := os.Stat(base + "/made"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory was made outside: %v", err)
	}
}
