package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stackemu/stackemu/internal/profile"
)

// Sources say where to look for settings.
type Sources struct {
	Lookup func(string) (string, bool) // a variable: os.LookupEnv, or a test's map
	Flags  map[string][]string         // the flags of the command line that are settings, with their dashes
	Dir    string                      // the working directory, absolute, where the search for a project's file begins; "": no file is read
}

// Load merges all sources into one configuration. The error, if any, joins a *ValueError for each bad variable or flag, and a
// *FileError for each bad line; the Config is then not to be used. Whether mounts are there is seen by [Config.FindMounts].
func Load(s Sources) (Config, error) {
	r := resolve(s)
	return r.config, errors.Join(r.errs...)
}

// LoadSound is [Load] for commands that must not fail because of a setting: bad values, bad lines and bad files count as not there,
// and are returned as they are in Load's error. Without a home there is nothing to go on with: that is err.
func LoadSound(s Sources) (conf Config, bad []error, err error) {
	r := resolve(s)
	bad = r.errs
	skipped := map[string]bool{}
	for _, e := range bad {
		if value, ok := errors.AsType[*ValueError](e); ok {
			skipped[value.Variable] = true
		}
	}
	if len(skipped) > 0 { // what is good by itself may contradict something else
		lookup := s.Lookup
		s.Lookup = func(name string) (string, bool) {
			if skipped[name] {
				return "", false
			}
			return lookup(name)
		}
		r = resolve(s)
	}
	if !filepath.IsAbs(r.config.Home) {
		return Config{}, nil, errors.Join(bad...)
	}
	if _, err := r.config.profileNamed(r.config.Profile); err != nil {
		r.config.Profile = "" // it may be there, and bad
	}
	return r.config, bad, nil
}

// Origin is where a value comes from.
type Origin struct {
	Kind string `json:"kind"`           // flag, env, project, user (their files) or default
	Name string `json:"name,omitempty"` // of the flag or the variable
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// The kinds of origins.
const (
	OfFlag    = "flag"
	OfEnv     = "env"
	OfProject = "project"
	OfUser    = "user"
	OfDefault = "default"
)

// String is the origin for people: what they would change to change the value.
func (o Origin) String() string {
	switch o.Kind {
	case OfFlag, OfEnv:
		return o.Kind + " " + o.Name
	case OfProject, OfUser:
		return fmt.Sprintf("%s:%d", o.File, o.Line)
	}
	return o.Kind
}

// given is a value as it was written, and where.
type given struct {
	Origin
	texts []string
}

type resolver struct {
	Sources
	files   []*File // in the order of their precedence
	config  Config
	origins map[string]Origin
	errs    []error
}

func resolve(s Sources) *resolver {
	r := &resolver{Sources: s, origins: map[string]Origin{}}
	if s.Dir != "" {
		r.readFiles()
	}
	r.settleAll()
	return r
}

func (r *resolver) settleAll() {
	for n := range settings {
		r.settle(&settings[n])
	}
	r.config = r.config.AtBase(profile.DefaultHostBase)
	r.takeProfiles()
	r.contradictions()
}

// settle finds the value of a setting.
func (r *resolver) settle(s *setting) {
	g, found := r.find(s)
	r.origins[s.key] = Origin{Kind: OfDefault}
	if !found {
		text, err := s.preset(r)
		if err != nil {
			r.errs = append(r.errs, &ValueError{Variable: s.variables[0], Allowed: err.Error()})
		}
		if text != "" {
			s.put(&r.config, []string{text})
		}
		return
	}
	r.origins[s.key] = g.Origin
	s.put(&r.config, g.texts)
	if s.list && g.Kind == OfProject {
		for n := range r.config.Mounts {
			r.config.Mounts[n].within = filepath.Dir(g.File)
		}
	}
}

// find asks the sources in the order of their precedence. Bad values of variables and flags count as not given, after they were
// noted; those of files have been noted when the file was read.
func (r *resolver) find(s *setting) (given, bool) {
	if texts, ok := r.Flags[s.flag]; ok && s.flag != "" {
		return r.checked(s, given{Origin{Kind: OfFlag, Name: s.flag}, texts}, texts)
	}
	for _, name := range s.variables {
		text, ok := r.variable(name)
		if !ok {
			continue
		}
		g := given{Origin{Kind: OfEnv, Name: name}, []string{text}}
		if s.opposite {
			g.texts = []string{opposite(text)}
		}
		return r.checked(s, g, []string{text})
	}
	for _, f := range r.files {
		if v, ok := f.values[s.key]; ok {
			return given{f.origin(v.line), v.texts}, true
		}
	}
	return given{}, false
}

// checked is what a flag or a variable gives; written is how it stands there.
func (r *resolver) checked(s *setting, g given, written []string) (given, bool) {
	for n, text := range g.texts {
		if !s.is(text) {
			r.errs = append(r.errs, &ValueError{Variable: g.Name, Value: written[n], Allowed: s.allowed})
			return given{}, false
		}
		if s.locate != nil {
			g.texts = slices.Clone(g.texts)
			g.texts[n] = s.locate(text, r.workDir())
		}
	}
	return g, len(g.texts) > 0
}

// workDir is what paths of the command line and the environment are relative to.
func (r *resolver) workDir() string {
	if r.Dir != "" {
		return r.Dir
	}
	dir, err := filepath.Abs(".")
	if err != nil {
		return "/"
	}
	return dir
}

// variable is one of the environment without surrounding blanks; ok is false if nothing is left of it.
func (r *resolver) variable(name string) (value string, ok bool) {
	value, ok = r.Lookup(name)
	if !ok {
		return "", false
	}
	value = strings.TrimSpace(value)
	return value, value != ""
}

// contradictions are between settings, each of which is allowed by itself.
func (r *resolver) contradictions() {
	owner := map[int]string{} // defaults may clash with these: the image need not have that service
	for _, key := range []string{"ports.dashboard", "ports.backend", "ports.storage", "ports.mail"} {
		from := r.origins[key]
		if from.Kind == OfDefault {
			continue
		}
		text := byKey[key].show(&r.config)
		n, _ := parseNumber(text, 1, 65535)
		if other, taken := owner[n]; taken {
			r.reject(key, text, "a port that is not also "+other)
			continue
		}
		owner[n] = r.wordFor(key)
	}
	if r.config.RequireSnapshot && r.config.NoSnapshot {
		r.errs = append(r.errs, fmt.Errorf("%s and %s contradict each other", r.wordFor("snapshots.required"), r.wordFor("snapshots.enabled")))
	}
	if _, err := r.config.profileNamed(r.config.Profile); err != nil && r.config.Profile != "" && len(r.errs) == 0 { // else it may be there, and bad
		r.reject("profile", r.config.Profile, strings.Join(r.config.profileNames(), ", "))
	}
}

// reject notes that a value cannot be, where it comes from.
func (r *resolver) reject(key, text, allowed string) {
	from := r.origins[key]
	name := from.Name
	if name == "" {
		name = key
	}
	err := error(&ValueError{Variable: name, Value: text, Allowed: allowed})
	if from.File != "" {
		err = &FileError{Path: from.File, Line: from.Line, Err: err}
	}
	r.errs = append(r.errs, err)
}

// wordFor is what the user has written to give a setting: the name of a flag or variable, or the key.
func (r *resolver) wordFor(key string) string {
	if from := r.origins[key]; from.Name != "" {
		return from.Name
	}
	return key
}

// takeProfiles takes those of all files. Of two with one name the project's counts.
func (r *resolver) takeProfiles() {
	for _, f := range r.files {
		for _, d := range f.profiles {
			if !slices.ContainsFunc(r.config.Profiles, func(p profile.Profile) bool { return p.Name == d.table.Name }) {
				r.config.Profiles = append(r.config.Profiles, r.withVariables(d))
			}
		}
	}
}

// withVariables is a profile at the host ports that the environment gives by the names that the profile has for them.
func (r *resolver) withVariables(d described) profile.Profile {
	table := d.table
	table.Services = slices.Clone(table.Services)
	for n, name := range d.variables {
		text, ok := r.variable(name)
		if !ok {
			continue
		}
		if table.Services[n].HostPort, ok = tcpPorts.parse(text); !ok {
			r.errs = append(r.errs, &ValueError{Variable: name, Value: text, Allowed: tcpPorts.allowed})
		}
	}
	return table
}
