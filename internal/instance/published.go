package instance

import (
	"os"
	"regexp"
)

var secretForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// published tells whether the key that an earlier life has published is there, and whole. Secrets that nobody knows any more
// are replaced.
func (b *Boot) published() bool {
	key, err := os.ReadFile(b.files.PublishedKey)
	return err == nil && secretForm.Match(key)
}
