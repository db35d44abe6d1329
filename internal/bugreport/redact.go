// Package bugreport packs what is needed to find a bug into one archive that may be shown to others.
//
// It promises that no secret that it was told of, and nothing that has the form of one, is in the archive, in whatever file: all
// content and all names go through the same redaction. It packs text only; disks, memory and saved sessions are never in it.
package bugreport

import (
	"bytes"
	"regexp"
	"slices"
)

// Redactor takes secrets out of texts. Make it with [NewRedactor].
type Redactor struct {
	secrets [][]byte
	home    []byte
}

const redacted = "[redacted]"

// shortest is what a known secret must have: to take every "a" out of a text would say more than it hides.
const shortest = 6

// NewRedactor makes one that knows these secrets. The home directory, which often is a person's name, becomes ~.
func NewRedactor(home string, secrets ...string) *Redactor {
	r := &Redactor{}
	if len(home) > 1 {
		r.home = []byte(home)
	}
	for _, s := range secrets {
		if s := bytes.TrimSpace([]byte(s)); len(s) >= shortest {
			r.secrets = append(r.secrets, s)
		}
	}
	// The longest first: one may be a part of another.
	slices.SortFunc(r.secrets, func(a, b []byte) int { return len(b) - len(a) })
	return r
}

// form is what a kind of secrets looks like. The pattern is tried on lines only that have one of the marks in them, in lower case:
// logs are long.
type form struct {
	marks   []string
	pattern *regexp.Regexp
	instead string
}

// forms are the product's keys, tokens of others, passwords in addresses, and what is called a secret. The emulator's own secrets
// are long numbers: see hideDigits.
var forms = []form{
	{[]string{"pck_", "ssk_", "sak_", "ghp_", "gho_", "ghs_", "ghu_", "github_pat_", "sk_", "xox"},
		regexp.MustCompile(`(pck|ssk|sak|ghp|gho|ghs|ghu|github_pat|sk|xox[abp])[_-][A-Za-z0-9_-]{8,}`), redacted},
	{[]string{"eyj"}, regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`), redacted},
	{[]string{"bearer", "basic"}, regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}`), "$1 " + redacted},
	{[]string{"://"}, regexp.MustCompile(`(://[^/\s:@"]*):[^/\s@"]+@`), "$1:" + redacted + "@"},
	{[]string{"secret", "token", "passw", "key", "credential"},
		regexp.MustCompile(`(?i)((?:secret|token|password|passwd|api_?key|client_?key|admin_?key|credential)[a-z_]*["']?\s*[=:]\s*["']?)[^\s"',;&}]{4,}`), "$1" + redacted},
}

// pem is a private key. It is the one form of more than a line.
var pem = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)

// Redact returns text without secrets.
func (r *Redactor) Redact(text []byte) []byte {
	text = bytes.Clone(text)
	for _, s := range r.secrets {
		text = bytes.ReplaceAll(text, s, []byte(redacted))
	}
	if bytes.Contains(text, []byte("PRIVATE KEY-----")) {
		text = pem.ReplaceAll(text, []byte(redacted))
	}
	out := make([]byte, 0, len(text))
	for line := range bytes.Lines(text) {
		out = append(out, hideDigits(hideForms(line))...)
	}
	if r.home != nil {
		out = bytes.ReplaceAll(out, r.home, []byte("~"))
	}
	return out
}

func hideForms(line []byte) []byte {
	lower := bytes.ToLower(line)
	for _, f := range forms {
		if slices.ContainsFunc(f.marks, func(mark string) bool { return bytes.Contains(lower, []byte(mark)) }) {
			line = f.pattern.ReplaceAll(line, []byte(f.instead))
		}
	}
	return line
}

// secretDigits is how many hexadecimal digits in a row are a secret: the emulator's have 64.
const secretDigits = 32

// hideDigits takes out long hexadecimal numbers, but for those that say what they are the digest of.
func hideDigits(line []byte) []byte {
	var out []byte
	done, began := 0, 0
	for n := 0; n <= len(line); n++ {
		if n < len(line) && isHex(line[n]) {
			continue
		}
		if n-began >= secretDigits && !digest(line[:began]) {
			out = append(append(out, line[done:began]...), redacted...)
			done = n
		}
		began = n + 1
	}
	if done == 0 {
		return line
	}
	return append(out, line[done:]...)
}

func digest(before []byte) bool {
	before = bytes.ToLower(before[max(0, len(before)-len("sha256:")):])
	return bytes.Equal(before, []byte("sha256:")) || bytes.Equal(before, []byte("sha256-"))
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
