package main

import (
	"slices"
	"strings"

	"github.com/stackemu/stackemu/internal/envtext"
)

// secretKeyVariable has the one secret that a command of `run` is given. What is public ends up in browsers: a secret never
// has a public name.
const secretKeyVariable = "STACK_SECRET_SERVER_KEY"

// foreignSecrets are what the product's libraries send to the backend. In our own environment they are another backend's,
// most likely the one in production, and the emulator has no business with them.
var foreignSecrets = []string{secretKeyVariable, "STACK_SUPER_SECRET_ADMIN_KEY"}

// publicPrefixes are what frameworks want before the names of variables that may get into a page.
var publicPrefixes = []string{"NEXT_PUBLIC_", "VITE_", "EXPO_PUBLIC_"}

// publicVariables are those that pages need.
var publicVariables = []string{"STACK_PROJECT_ID", "STACK_PUBLISHABLE_CLIENT_KEY", "STACK_API_URL", "STACK_DASHBOARD_URL"}

// variable is one of a command's environment.
type variable struct {
	envtext.Var
	public bool // it has names for pages as well
}

// marked says which of them may be known to everybody. It is a list of what may, and not of what may not: a name that is new in
// the product stays private until somebody has thought about it.
func marked(plain []envtext.Var) []variable {
	all := make([]variable, len(plain))
	for n, v := range plain {
		all[n] = variable{v, slices.Contains(publicVariables, v.Name)}
	}
	return all
}

// commandEnvironment is ours with those variables in it.
func commandEnvironment(ours []string, vars []variable) []string {
	env := slices.DeleteFunc(slices.Clone(ours), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(foreignSecrets, name)
	})
	for _, v := range vars {
		env = append(env, v.Name+"="+v.Value)
		for _, prefix := range publicPrefixes {
			if v.public {
				env = append(env, prefix+v.Name+"="+v.Value)
			}
		}
	}
	return env
}
