package service

import (
	"os"
	"path/filepath"
	"strings"
)

// Systemd is the user's own systemd. config is the user's folder of settings, ~/.config.
func Systemd(config string) *Manager {
	ctl := func(words ...string) []string { return append([]string{"systemctl", "--user"}, words...) }
	return &Manager{
		folder:  filepath.Join(config, "systemd", "user"),
		name:    func(instance string) string { return "stackemu-" + instance + ".service" },
		text:    unit,
		enable:  func(name, _ string) [][]string { return [][]string{ctl("daemon-reload"), ctl("enable", name)} },
		disable: func(name string) [][]string { return [][]string{ctl("disable", "--now", name)} },
		removed: func(string) [][]string { return [][]string{ctl("daemon-reload")} },
		show:    func(name string) []string { return ctl("show", "--property=UnitFileState,ActiveState", name) },
		run:     run,
	}
}

// unit is a unit of systemd. Its lines are explained by comments that whoever looks at the file sees, too.
func unit(s Spec) string {
	var t strings.Builder
	line := func(words ...string) { t.WriteString(strings.Join(words, "") + "\n") }
	line("# Written by `stackemu service install`; `stackemu service remove ", s.Instance, "` removes it.")
	line("[Unit]")
	line("Description=stackemu instance ", specifiers(s.Instance))
	line("")
	line("[Service]")
	line("# Ready is what `stackemu start` calls ready. A first start captures a snapshot before that.")
	line("Type=notify")
	line("TimeoutStartSec=infinity")
	words := []string{quoted(specifiers(s.Program))} // no variable is replaced in this one
	for _, word := range s.Args {
		words = append(words, quoted(strings.ReplaceAll(specifiers(word), "$", "$$")))
	}
	line("ExecStart=", strings.Join(words, " "))
	line("WorkingDirectory=-", specifiers(s.Dir))
	for _, v := range s.Env {
		line("Environment=", quoted(specifiers(v)))
	}
	line("# A VM outlives its supervisor, and the next one takes it over. A stop asks the supervisor alone, which saves the VM.")
	line("KillMode=process")
	line("TimeoutStopSec=180")
	line("Restart=on-failure")
	line("RestartSec=5")
	line("# A wrong setting does not become right.")
	line("RestartPreventExitStatus=2")
	line("WatchdogSec=60")
	line("")
	line("[Install]")
	line("WantedBy=default.target")
	return t.String()
}

// quoted is a word of a command line or of Environment=, as systemd reads it (systemd.service(5), "Command lines").
func quoted(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(word) + `"`
}

// specifiers takes their meaning from percent signs.
func specifiers(text string) string { return strings.ReplaceAll(text, "%", "%%") }

// ConfigFolder is the folder of settings of the user whose home folder that is.
func ConfigFolder(home string) string {
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(home, ".config")
}
