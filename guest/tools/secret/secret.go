// Package secret makes, checks and keeps the four secrets of a stack inside the guest.
//
// Three kinds exist. Placeholders are public, the same in every image, and in force only where a snapshot is captured:
// RAM that is written to a shared file must hold no real secret. Minted secrets come from crypto/rand, are made once
// and kept on the guest's disk, so that a guest restarts with the keys that it had. Rotated secrets come from the host and
// take the place of either.
package secret

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stackemu/stackemu/guest/tools/private"
	"github.com/stackemu/stackemu/internal/guestapi"
)

// Names of the variables that carry the secrets.
const (
	PublishableClientKey = guestapi.PublishableClientKey
	SecretServerKey      = guestapi.SecretServerKey
	SuperSecretAdminKey  = guestapi.SuperSecretAdminKey
	CronSecret           = guestapi.CronSecret
)

// kinds lists, for each variable, the file that keeps it and the digit of its placeholder (design.md, "The guest
// contract": 32 zeros, then 32 times that digit).
var kinds = []struct{ name, file, digit string }{
	{PublishableClientKey, "internal-pck", "f"},
	{SecretServerKey, "internal-ssk", "e"},
	{SuperSecretAdminKey, "internal-sak", "d"},
	{CronSecret, "cron-secret", "c"},
}

// Names returns the names of the four variables.
func Names() []string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = kind.name
	}
	return names
}

// ErrFormat is wrapped by the error of [Check]. The error never quotes the secret.
var ErrFormat = errors.New("a secret must be 64 lower-case hexadecimal digits")

// Check says whether value has the form of a secret.
func Check(name, value string) error {
	if len(value) != 64 || strings.Trim(value, "0123456789abcdef") != "" {
		return fmt.Errorf("%s: %w", name, ErrFormat)
	}
	return nil
}

// CheckAll says whether set has the four secrets, each in the right form, and nothing else.
func CheckAll(set map[string]string) error {
	for _, kind := range kinds {
		if err := Check(kind.name, set[kind.name]); err != nil {
			return err
		}
	}
	if len(set) != len(kinds) {
		return fmt.Errorf("%w: %d variables, want the %d of the contract", ErrFormat, len(set), len(kinds))
	}
	return nil
}

// Placeholders returns the four placeholder secrets by variable name.
func Placeholders() map[string]string {
	set := make(map[string]string, len(kinds))
	for _, kind := range kinds {
		set[kind.name] = strings.Repeat("0", 32) + strings.Repeat(kind.digit, 32)
	}
	return set
}

// Kept returns the secrets kept in dir by variable name, and mints those that are missing. A kept secret that is
// damaged is an error, not replaced in silence: the database and the host may still hold the old one.
func Kept(dir string) (map[string]string, error) {
	set := make(map[string]string, len(kinds))
	for _, kind := range kinds {
		path := filepath.Join(dir, kind.file)
		data, err := os.ReadFile(path)
		value := strings.TrimSpace(string(data))
		switch {
		case errors.Is(err, os.ErrNotExist):
			value = Mint()
			err = private.Write(path, []byte(value+"\n"))
		case err == nil:
			err = Check(path, value)
		}
		if err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		set[kind.name] = value
	}
	return set, nil
}

// Mint returns 32 bytes of the kernel's random pool in hexadecimal. crypto/rand ends the program rather than fail.
func Mint() string {
	var raw [32]byte
	rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}
