package archtest

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// local matches what holds on one machine or in one network only. Package sources are for the machine's own
// configuration to name: who works behind a mirror has another one. (The expressions do not match themselves.)
var local = []struct {
	what string
	form *regexp.Regexp
}{
	{"the host of a package registry", regexp.MustCompile(
		`(?i)\b((deb|security|ftp|snapshot|httpredir)\.debian\.org|[a-z]+\.ubuntu\.com/ubuntu|(proxy|sum)\.golang\.org|` +
			`registry\.npmjs\.org|registry\.yarnpkg\.com|pypi\.org|files\.pythonhosted\.org|registry-1\.docker\.io|crates\.io)\b`)},
	{"a path of one machine", regexp.MustCompile(
		`(^|[^A-Za-z0-9_.-])(/work/(main|shared|\.library)\b|/tmp/(plan|img)\b|/(home|Users)/[a-z][a-z0-9_-]{2,}/|/private/[v]ar/folders/)`)},
}

// checkNames looks at every text file, not only at Go's.
func checkNames(t *testing.T, root string) (found []breach) {
	walk(t, root, func(p string) {
		data, err := os.ReadFile(filepath.Join(root, p))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(data, 0) >= 0 {
			return
		}
		for n, line := range bytes.Split(data, []byte("\n")) {
			for _, l := range local {
				if match := l.form.Find(line); match != nil {
					found = append(found, breach{p, n + 1, l.what + ": " + string(bytes.TrimSpace(match))})
				}
			}
		}
	})
	return found
}
