package service

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strings"
)

// Launchd is launchd's domain of a user with a home folder.
func Launchd(home string, uid int) *Manager {
	domain := fmt.Sprintf("gui/%d", uid)
	target := func(name string) string { return domain + "/" + strings.TrimSuffix(name, ".plist") }
	return &Manager{
		folder: filepath.Join(home, "Library", "LaunchAgents"),
		name:   func(instance string) string { return label(instance) + ".plist" },
		text:   agent,
		// An agent that is in its folder is started with the next session.
		enable:  func(name, _ string) [][]string { return [][]string{{"launchctl", "enable", target(name)}} },
		disable: func(name string) [][]string { return [][]string{{"launchctl", "disable", target(name)}} },
		removed: func(string) [][]string { return nil },
		show: func(name string) []string {
			return []string{"sh", "-c", `launchctl print "$0" 2>/dev/null | grep -m1 "state =" || echo not loaded`, target(name)}
		},
		run: run,
	}
}

func label(instance string) string { return "dev.stackemu." + instance }

// agent is the property list of a launch agent.
func agent(s Spec) string {
	var t strings.Builder
	t.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- Written by "stackemu service install"; "stackemu service remove" removes it. -->
<plist version="1.0">
<dict>
`)
	key := func(name, value string) { fmt.Fprintf(&t, "\t<key>%s</key>\n\t%s\n", name, value) }
	key("Label", text(label(s.Instance)))
	var words strings.Builder
	for _, word := range append([]string{s.Program}, s.Args...) {
		words.WriteString("\t\t" + text(word) + "\n")
	}
	key("ProgramArguments", "<array>\n"+words.String()+"\t</array>")
	var env strings.Builder
	for _, v := range s.Env {
		name, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(&env, "\t\t<key>%s</key>\n\t\t%s\n", escaped(name), text(value))
	}
	key("EnvironmentVariables", "<dict>\n"+env.String()+"\t</dict>")
	key("WorkingDirectory", text(s.Dir))
	key("RunAtLoad", "<true/>")
	key("KeepAlive", "<dict>\n\t\t<key>SuccessfulExit</key>\n\t\t<false/>\n\t</dict>")
	key("AbandonProcessGroup", "<true/>") // a VM outlives its supervisor
	key("ExitTimeOut", "<integer>180</integer>")
	key("StandardErrorPath", text(s.Log))
	t.WriteString("</dict>\n</plist>\n")
	return t.String()
}

func text(value string) string { return "<string>" + escaped(value) + "</string>" }

func escaped(value string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(value)) // into memory
	return b.String()
}
