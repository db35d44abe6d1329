package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/doctor"
)

func TestDoctor(t *testing.T) {
	t.Parallel()
	e, _ := newRun(t, healthy)
	e.env = append(e.env, "GITHUB_TOKEN=topsecret")
	e.run(0, "start")
	c := e.run(0, "doctor")
	e.says(c, "^ok +environment ", "^ok +qemu_version +QEMU emulator version 10", "^ok +snapshot_formats ", "^(ok|warning) +accelerator ", "^ok +hard_links ", "^ok +image +/",
		"^ok +ports +of the default instance: .* are its own, for it runs$", "^ok +instances +1, ", `^ok +github_token +there is one \(GITHUB_TOKEN\)$`)
	e.saysNot(c, "topsecret")
	e.stopped("default")

	if err := os.WriteFile(e.file("images", "stack-emulator-amd64.qcow2"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	e.says(e.run(exitFailed, "doctor"), "^problem +image +.*not a qcow2 image$", "^ +-> stackemu pull --force")
	c = e.run(exitFailed, "doctor", "--json")
	var answer struct {
		SchemaVersion int
		Command       string
		Data          []doctor.Finding
	}
	if err := json.Unmarshal([]byte(c.Stdout()), &answer); err != nil || answer.Command != "doctor" || len(answer.Data) < 10 || doctor.Well(answer.Data) {
		t.Errorf("%v in %s", err, c.Stdout())
	}
	e.complains(e.run(exitUsage, "doctor", "x"), "doctor takes no argument")
}

// A home that cannot be used, and variables that are wrong, are what it is for.
func TestDoctorOfABrokenHome(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.env = append(e.env, "STACK_EMULATOR_HOME=/dev/null/home", "EMULATOR_RAM=much")
	e.says(e.run(exitFailed, "doctor"), `^problem +environment +EMULATOR_RAM="much"`, "^problem +home +/dev/null/home is not there, and cannot be made")
}

func TestPrintFindings(t *testing.T) {
	var out bytes.Buffer
	err := printFindings(&out, []doctor.Finding{{Code: "disk", Level: doctor.OK, Text: "fine"}, {Code: "ports", Level: doctor.Problem, Text: "taken", Cure: "wait"}}, false)
	const want = "ok       disk   fine\nproblem  ports  taken\n                -> wait\n"
	if err != nil || out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	if err := printFindings(&out, []doctor.Finding{{Level: doctor.Warning}}, true); err != nil || !strings.Contains(out.String(), "\x1b[33mwarning\x1b[0m") {
		t.Errorf("got %q", out.String())
	}
}
