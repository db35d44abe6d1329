package secret

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlaceholders(t *testing.T) {
	zeros := strings.Repeat("0", 32)
	want := map[string]string{
		PublishableClientKey: zeros + strings.Repeat("f", 32),
		SecretServerKey:      zeros + strings.Repeat("e", 32),
		SuperSecretAdminKey:  zeros + strings.Repeat("d", 32),
		CronSecret:           zeros + strings.Repeat("c", 32),
	}
	if got := Placeholders(); !maps.Equal(got, want) {
		t.Errorf("Placeholders() = %v, want %v", got, want)
	}
}

func TestKeptAreMintedOnceAndPrivate(t *testing.T) {
	dir := t.TempDir()
	first, err := Kept(dir)
	if err != nil {
		t.Fatal(err)
	}
	distinct := map[string]bool{}
	for _, name := range Names() {
		if err := Check(name, first[name]); err != nil {
			t.Error(err)
		}
		distinct[first[name]] = true
	}
	if len(distinct) != 4 {
		t.Errorf("the secrets are not distinct: %v", first)
	}
	for _, file := range []string{"internal-pck", "internal-ssk", "internal-sak", "cron-secret"} {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", file, info, err)
		}
	}
	second, err := Kept(dir)
	if err != nil || !maps.Equal(first, second) {
		t.Errorf("the second time: %v, %v, want the same", second, err)
	}
}

func TestKeptRefusesDamage(t *testing.T) {
	dir := t.TempDir()
	const damaged = "0123456789abcdef"
	if err := os.WriteFile(filepath.Join(dir, "internal-ssk"), []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Kept(dir)
	if !errors.Is(err, ErrFormat) || strings.Contains(err.Error(), damaged) {
		t.Errorf("err = %v, want ErrFormat without the secret", err)
	}
}

func TestCheck(t *testing.T) {
	good := strings.Repeat("0a", 32)
	if err := Check("X", good); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", good[1:], good + "0", strings.ToUpper(good), good[:63] + "g", good[:63] + "\n", " " + good[1:]} {
		if err := Check("X", bad); !errors.Is(err, ErrFormat) {
			t.Errorf("Check(%q) = %v, want ErrFormat", bad, err)
		}
	}
}
