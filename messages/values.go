package messages

import "encoding/json"

// Cause is an error in a message: a value for programs, its whole path of words in a log.
type Cause struct{ Err error }

// MarshalText writes the error's words. A nil error has none.
func (c Cause) MarshalText() ([]byte, error) {
	if c.Err == nil {
		return nil, nil
	}
	return []byte(c.Err.Error()), nil
}

// Secret is a text that no log, error or format verb may show. Only [Secret.Reveal] gives it away.
type Secret struct{ text string }

// NewSecret wraps a text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal gives the text to the one place that needs it.
func (s Secret) Reveal() string { return s.text }

const redacted = "[redacted]"

// String redacts, and with it every format verb that asks for words.
func (Secret) String() string { return redacted }

// GoString redacts %#v.
func (Secret) GoString() string { return redacted }

// MarshalJSON redacts.
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }
