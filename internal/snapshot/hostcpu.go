package snapshot

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A host CPU is written as its model, "; ", and its sorted features.
const cpuSeparator = "; "

// HostCPU describes the CPU of this host: its model and its features. Two hosts with the same description give a guest
// the same CPU. Under an accelerator that passes the host's CPU on, a snapshot of another one crashes the guest.
func HostCPU() (string, error) {
	cpu, err := hostCPU()
	if err != nil {
		return "", fmt.Errorf("snapshot: host CPU: %w", err)
	}
	return cpu, nil
}

// cpuWords are the fields of /proc/cpuinfo that tell models apart, in the order in which they are written. Names that are
// not given here (clock rate, microcode, core number) change from boot to boot or from core to core.
var cpuWords = []struct{ field, word string }{
	{"model name", ""},
	{"cpu family", "family "}, {"model", "model "}, {"stepping", "stepping "}, // x86
	{"CPU implementer", "implementer "}, {"CPU part", "part "}, {"CPU variant", "variant "}, {"CPU revision", "revision "}, // ARM
}

// parseCPUInfo reads /proc/cpuinfo: blocks of "name : value" lines, one block for each core.
func parseCPUInfo(text []byte) (string, error) {
	models, features := map[string]bool{}, map[string]bool{}
	core := map[string]string{}
	finish := func() {
		if model := modelOf(core); model != "" {
			models[model] = true
		}
		clear(core)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		name, value, found := strings.Cut(lines.Text(), ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !found:
			finish()
		case name == "flags" || name == "Features":
			for _, feature := range strings.Fields(value) {
				features[feature] = true
			}
		default:
			core[name] = value
		}
	}
	finish()
	if err := lines.Err(); err != nil {
		return "", err
	}
	return describeCPU(slices.Sorted(maps.Keys(models)), features)
}

func modelOf(core map[string]string) string {
	var words []string
	for _, w := range cpuWords {
		if value := core[w.field]; value != "" {
			words = append(words, w.word+value)
		}
	}
	return strings.Join(words, " ")
}

// describeCPU joins models (a host may have several kinds of cores) and features.
func describeCPU(models []string, features map[string]bool) (string, error) {
	if len(features) == 0 {
		return "", errors.New("the system tells no features")
	}
	return strings.Join(models, " + ") + cpuSeparator + strings.Join(slices.Sorted(maps.Keys(features)), " "), nil
}

// hostCPU tells another model, or else which features came and went.
func (c *changes) hostCPU(from, to string) {
	if from == to {
		return
	}
	fromModel, fromFeatures, _ := strings.Cut(from, cpuSeparator)
	toModel, toFeatures, _ := strings.Cut(to, cpuSeparator)
	if fromModel != toModel {
		c.add("host CPU", fromModel, toModel)
		return
	}
	old, now := strings.Fields(fromFeatures), strings.Fields(toFeatures)
	*c = append(*c, "host CPU features"+signed(" +", now, old)+signed(" -", old, now))
}

// signed lists what is in a and not in b, each with a sign before it.
func signed(sign string, a, b []string) string {
	const most = 4 // in a line for people
	var text strings.Builder
	n := 0
	for _, feature := range a {
		if slices.Contains(b, feature) {
			continue
		}
		if n++; n <= most {
			text.WriteString(sign + feature)
		}
	}
	if n > most {
		fmt.Fprintf(&text, "%s%d more", sign, n-most)
	}
	return text.String()
}
