package config

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/stackemu/stackemu/internal/ports"
	"github.com/stackemu/stackemu/internal/profile"
)

// object is a JSON schema, or a part of one.
type object = map[string]any

// Schema is the JSON schema of stackemu.yaml, for editors. It says what can be said in a schema of what the program checks. The
// draft is the one that all editors know.
func Schema() []byte {
	root := mapOf("", object{profilesKey: profilesSchema()})
	root["$schema"], root["title"] = "http://json-schema.org/draft-07/schema#", "stackemu.yaml"
	for n := range settings {
		settings[n].addTo(root["properties"].(object))
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(root) // strings and numbers, to memory
	return b.Bytes()
}

// mapOf is the schema of a map, in which everything may be commented out.
func mapOf(description string, properties object, required ...string) object {
	m := object{"type": []string{"object", "null"}, "additionalProperties": false, "properties": properties}
	if description != "" {
		m["description"] = description
	}
	if len(required) > 0 {
		m["required"], m["type"] = required, "object"
	}
	return m
}

func listOf(item object, most int) object {
	return object{"type": []string{"array", "null"}, "items": item, "maxItems": most}
}

// addTo puts a setting at its place among the properties.
func (s *setting) addTo(properties object) {
	name := s.key
	if group, key, found := strings.Cut(s.key, "."); found {
		name = key
		if properties[group] == nil {
			properties[group] = mapOf("", object{})
		}
		properties = properties[group].(object)["properties"].(object)
	}
	schema := s.schema
	if s.list {
		schema = listOf(schema, MaxMounts)
	}
	description := strings.ToUpper(s.meaning[:1]) + strings.ReplaceAll(s.meaning[1:], "`", "") + "."
	if s.userOnly != "" {
		description += " Only in your own file, not in a project's."
	}
	properties[name] = explained(schema, description)
}

func profilesSchema() object {
	service := mapOf("A TCP service of the guest that speaks HTTP.", object{
		"name":       serviceNames.schema,
		"guest_port": tcpPorts.schema,
		"host_port":  explained(tcpPorts.schema, "On 127.0.0.1; without it, the next of the instance's block of ten."),
		"variable":   explained(portVariables.schema, "The variable of the environment that gives another host port."),
		"health":     explained(healthPaths.schema, "What is asked for to see whether it is healthy."),
		"codes":      explained(listOf(statusCodes.schema, 20), "The status codes that mean healthy: 200 unless others are given."),
	}, "name", "guest_port")
	services := listOf(service, ports.Block)
	services["type"], services["minItems"] = "array", 1
	command, secrets := listOf(arguments.schema, 32), listOf(variableNames.schema, maxSecrets)
	command["type"], command["minItems"] = "array", 1
	secrets["type"], secrets["minItems"] = "array", 1
	table := mapOf("", object{
		"services": services,
		"rotation": mapOf("How the secrets of the image are replaced; without it they are not.", object{
			"command": explained(command, "A program in the guest, by its absolute path, and its arguments. It reads KEY=value lines."),
			"secrets": explained(secrets, "The keys of those lines. The values are 64 hexadecimal digits each."),
		}, "command", "secrets"),
		"original_layout": explained(object{"type": "boolean"}, "The image comes from the product's own build."),
	}, "services")
	return object{
		"type": []string{"object", "null"}, "additionalProperties": table,
		"description":   "Tables of services, for images that are not the product's.",
		"propertyNames": object{"pattern": profileForm, "not": object{"enum": profile.Names()}},
	}
}

// explained is a copy of a schema with a description.
func explained(schema object, description string) object {
	with := object{"description": description}
	for key, value := range schema {
		with[key] = value
	}
	return with
}
