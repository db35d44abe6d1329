package config

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// The schema takes what the program takes, and refuses what can be refused by a schema.
func TestSchemaAgrees(t *testing.T) {
	text, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("stackemu.schema.json", text); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("stackemu.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	const shop = "profiles: {shop: {services: [{name: web, guest_port: 80, "
	for _, test := range []struct {
		text  string
		sound bool
	}{
		{"", true}, {"ports:\nmounts:\nprofiles:\n", true}, {"ram: 4G\nname: auto\ncpus: 2\narch: x86_64\n", true}, {"ram: 2048\n", true},
		{"timeouts: {ready: 90, resume: 1m30s}\nsnapshots: {enabled: false, format: lazy}\nmounts: [., src:ro]\nprofile: shop\n", true},
		{shop + "health: /up, codes: [200], variable: WEB_PORT}], rotation: {command: [/r, -x], secrets: [A_KEY]}}}", true},
		{"rams: 1\n", false}, {"ram: lots\n", false}, {"ram: 1\n", false}, {"cpus: '2'\n", false}, {"name: vm\n", false}, {"name: A\n", false}, {"mounts: .\n", false},
		{"mounts: [a, b, c, d]\n", false}, {"snapshots: {enabled: 1}\n", false}, {"timeouts: {ready: soon}\n", false}, {"profiles: {reference: {services: [{name: a, guest_port: 1}]}}\n", false},
		{shop + "port: 3}]}}", false}, {shop + "codes: [99]}]}}", false}, {shop + "variable: GITHUB_TOKEN}]}}", false}, {"profiles: {shop: {services: []}}", false},
		{shop + "}], rotation: {command: [/r]}}}", false},
	} {
		f := parse("/p/stackemu.yaml", true, "/home/u", []byte(test.text))
		if n := len(f.Problems); (n == 0) != test.sound {
			t.Errorf("%s: %v", test.text, f.Problems)
		}
		var value any
		if err := yaml.Unmarshal([]byte(test.text), &value); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); (err == nil) != test.sound {
			t.Errorf("%s: the schema says %v", test.text, err)
		}
	}
}
