package config_test

import (
	"testing"

	"github.com/stackemu/stackemu/internal/config"
)

func TestAtBase(t *testing.T) {
	env := map[string]string{"HOME": "/h", "EMULATOR_BACKEND_PORT": "8102"}
	c, err := from(env)
	if err != nil {
		t.Fatal(err)
	}
	if want := (config.Ports{Dashboard: 26700, Backend: 8102, Storage: 26702, Mail: 26703}); c.Ports != want {
		t.Errorf("got %+v", c.Ports)
	}
	if want := (config.Ports{Backend: 8102}); c.Given != want {
		t.Errorf("given: %+v", c.Given)
	}
	if want := (config.Ports{Dashboard: 26720, Backend: 8102, Storage: 26722, Mail: 26723}); c.AtBase(26720).Ports != want {
		t.Errorf("at 26720: %+v", c.AtBase(26720).Ports)
	}
}
