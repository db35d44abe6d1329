// Package envtext writes environment variables in the forms that other programs read.
//
// Any value survives every form: what a form cannot take as it is, is quoted in the way of that form.
package envtext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Var is one variable.
type Var struct{ Name, Value string }

// Formats are the forms by their names.
var Formats = map[string]func(io.Writer, []Var) error{"dotenv": Dotenv, "shell": Shell, "json": JSON}

var (
	nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	plain    = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,-]+$`)
)

// Name tells whether a text can be the name of a variable.
func Name(text string) bool { return nameForm.MatchString(text) }

// Dotenv writes NAME=value lines for .env files. A value with anything unusual in it stands in double quotes, with \n for a
// line break and a backslash before ", \, $ and `.
func Dotenv(out io.Writer, vars []Var) error {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`", "\n", `\n`, "\r", `\r`)
	return lines(out, vars, func(v Var) string {
		if plain.MatchString(v.Value) {
			return v.Name + "=" + v.Value
		}
		return v.Name + `="` + escape.Replace(v.Value) + `"`
	})
}

// Shell writes export lines for POSIX shells. Values stand in single quotes.
func Shell(out io.Writer, vars []Var) error {
	return lines(out, vars, func(v Var) string {
		return "export " + v.Name + "='" + strings.ReplaceAll(v.Value, "'", `'\''`) + "'"
	})
}

// JSON writes one object, with the variables in their order.
func JSON(out io.Writer, vars []Var) error {
	var b bytes.Buffer
	b.WriteString("{")
	for n, v := range vars {
		name, _ := json.Marshal(v.Name) // a string never fails
		value, _ := json.Marshal(v.Value)
		if n > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n  %s: %s", name, value)
	}
	b.WriteString("\n}\n")
	_, err := out.Write(b.Bytes())
	return err
}

func lines(out io.Writer, vars []Var, line func(Var) string) error {
	var b bytes.Buffer
	for _, v := range vars {
		b.WriteString(line(v) + "\n")
	}
	_, err := out.Write(b.Bytes())
	return err
}
