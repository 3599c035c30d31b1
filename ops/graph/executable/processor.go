package executable

import (
	"errors"
	"slices"
	"strings"
)

// What in /proc/cpuinfo decides which machine code is made: model and abilities, on x86 and on ARM. What differs from one processor to
// the next of the same kind, or changes with time, is left out.
var kinds = []string{
	"vendor_id", "cpu family", "model", "model name", "stepping", "flags",
	"CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features",
}

// processor takes what describes the first processor from the text of /proc/cpuinfo.
func processor(cpuinfo string) (string, error) {
	first, _, _ := strings.Cut(strings.TrimSpace(cpuinfo), "\n\n")
	var lines []string
	abilities := false
	for line := range strings.Lines(first) {
		name, value, _ := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if !slices.Contains(kinds, name) {
			continue
		}
		abilities = abilities || name == "flags" || name == "Features"
		lines = append(lines, name+": "+strings.TrimSpace(value))
	}
	if !abilities {
		return "", errors.New("/proc/cpuinfo does not say what the processor can do")
	}
	return strings.Join(lines, "\n"), nil
}
