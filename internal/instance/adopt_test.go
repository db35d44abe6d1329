package instance

import (
	"encoding/json"
	"testing"

	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/qemu"
)

func FuzzParseRecord(f *testing.F) {
	id := qemu.Identity{PID: 7, Start: "1", Boot: "b"}
	good, err := json.Marshal(record{Version: recordVersion, Process: id, Profile: profile.Reference(81)})
	if err != nil {
		f.Fatal(err)
	}
	if o, err := parseRecord(good, id); err != nil || o.Profile.Services[0].Name != profile.Dashboard {
		f.Fatalf("%+v, %v", o, err)
	}
	if _, err := parseRecord(good, qemu.Identity{PID: 7, Start: "2", Boot: "b"}); err == nil {
		f.Error("the record of another process with that pid")
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte(`{"version":1,"process":{"PID":7,"Start":"1","Boot":"b"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if o, err := parseRecord(text, id); err == nil && (o.Process != id || len(o.Profile.Services) == 0) {
			t.Errorf("%+v", o)
		}
	})
}
