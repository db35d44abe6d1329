package config

import (
	"slices"
	"strconv"
	"strings"
)

// Setting is a setting as it is, for people who want to know why.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"-"` // in words
	JSON   any    `json:"value"`
	Origin Origin `json:"origin"`

	Variables []string `json:"variables,omitempty"` // that set it, too
	Flag      string   `json:"flag,omitempty"`
}

// Described is a profile that a file describes.
type Described struct {
	Name   string `json:"name"`
	Origin Origin `json:"origin"`
}

// Explained is a configuration, and where it comes from.
type Explained struct {
	Files    []string    `json:"files"` // that were read
	Settings []Setting   `json:"settings"`
	Profiles []Described `json:"profiles"`
}

// Explain is [Load] for people: every setting, in the order of the documentation.
func Explain(s Sources) (Explained, []error) {
	r := resolve(s)
	e := Explained{Files: []string{}, Profiles: []Described{}}
	for _, f := range r.files {
		e.Files = append(e.Files, f.Path)
		for _, d := range f.profiles {
			e.Profiles = append(e.Profiles, Described{d.table.Name, d.Origin})
		}
	}
	for n := range settings {
		s := &settings[n]
		text := s.show(&r.config)
		if text == "" {
			text = strings.ReplaceAll(s.presetWords, "`", "")
		}
		e.Settings = append(e.Settings, Setting{Key: s.key, Value: text, JSON: s.inJSON(&r.config), Origin: r.origins[s.key], Variables: s.variables, Flag: s.flag})
	}
	return e, r.errs
}

// inJSON is a value for programs: numbers and switches are such.
func (s *setting) inJSON(c *Config) any {
	if s.list {
		all := []string{}
		for _, m := range c.Mounts {
			all = append(all, m.String())
		}
		return all
	}
	text := s.show(c)
	if n, err := strconv.Atoi(text); err == nil && slices.Contains(s.tags, yamlNumber) {
		return n
	}
	if on, ok := parseSwitch(text); ok && slices.Contains(s.tags, yamlSwitch) {
		return on
	}
	return text
}
