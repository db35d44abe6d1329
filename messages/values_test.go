package messages

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestSecretIsNeverShown(t *testing.T) {
	const text = "correct horse"
	carrier := struct {
		Key  Secret
		Keys []Secret
	}{NewSecret(text), []Secret{NewSecret(text)}}
	asJSON, err := json.Marshal(carrier)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(asJSON), fmt.Sprint(carrier), fmt.Sprintf("%+v", carrier), fmt.Sprintf("%#v", carrier), fmt.Sprintf("%s %q", carrier.Key, carrier.Key)} {
		if strings.Contains(shown, "horse") || !strings.Contains(shown, redacted) {
			t.Errorf("shown as %s", shown)
		}
	}
	if carrier.Key.Reveal() != text {
		t.Error("Reveal does not reveal")
	}
}

func TestCauseIsWords(t *testing.T) {
	for err, want := range map[error]string{nil: `{}`, errors.New("qmp: gone"): `{"cause":"qmp: gone"}`} {
		got, e := json.Marshal(struct {
			Cause Cause `json:"cause,omitzero"`
		}{Cause{err}})
		if e != nil || string(got) != want {
			t.Errorf("%v: %s, %v; want %s", err, got, e, want)
		}
	}
}
