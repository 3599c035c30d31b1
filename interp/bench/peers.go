package bench

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// ReadLines reads measured lines, one JSON object a line, as this program and the peers' scripts print them. Objects without times (a check,
// an export) and lines that are no object are passed over: a script's warnings stand between its lines.
func ReadLines(r io.Reader) ([]Line, error) {
	var out []Line
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		text := strings.TrimSpace(s.Text())
		if !strings.HasPrefix(text, `{"`) { // an object over several lines is an error that was told
			continue
		}
		var l Line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if l.Measured() {
			out = append(out, l)
		}
	}
	return out, s.Err()
}

// Least joins lines that measured the same thing in the same way several times: the least of each time counts, as what disturbs a
// measurement only adds to it.
func Least(lines []Line) []Line {
	var out []Line
	for _, l := range lines {
		i := slices.IndexFunc(out, func(o Line) bool { return o.sameAs(l) })
		if i < 0 {
			out = append(out, l)
			continue
		}
		o := &out[i]
		if l.Best < o.Best {
			o.Best, o.Others = l.Best, l.Others
		}
		o.Busy, o.Rate = max(o.Busy, l.Busy), max(o.Rate, l.Rate)
		if l.GPU.Busy > o.GPU.Busy || o.GPU.Samples == 0 {
			o.GPU = l.GPU
		}
		o.CPU, o.Crit, o.Median, o.First = min(o.CPU, l.CPU), min(o.Crit, l.Crit), min(o.Median, l.Median), min(o.First, l.First)
		o.Reps += l.Reps
		o.PeakMB = min(o.PeakMB, l.PeakMB)
	}
	return out
}

func (l Line) sameAs(o Line) bool {
	return l.Name == o.Name && l.Batch == o.Batch && l.Numbers() == o.Numbers() && l.Device == o.Device && l.Threads == o.Threads && l.Processor == o.Processor && slices.Equal(l.Options, o.Options)
}

// Rivals are the lines that measured what a case measures: in the same precision and with the same batch, on the same GPU, or on the same processor
// with as many threads. A line that does not say how many threads it had is taken to have used all. A GPU is named by PyTorch as by its driver, but
// without the driver's version.
func (c Case) Rivals(ours Line, peers []Line) []Line {
	var out []Line
	for _, p := range peers {
		if p.Numbers() != ours.Numbers() || p.Batch != ours.Batch || (p.Device == "") != (ours.Device == "") || !strings.HasPrefix(ours.Device, p.Device) {
			continue
		}
		if p.Processor != "" && p.Processor != ours.Processor {
			continue
		}
		if p.Threads == 0 {
			p.Threads = ours.Threads
		}
		if ours.Device == "" && p.Threads != ours.Threads {
			continue
		}
		if slices.ContainsFunc(c.Peers, func(pattern string) bool { ok, _ := path.Match(pattern, p.Name); return ok }) {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b Line) int { return cmp.Compare(a.Estimate(), b.Estimate()) })
	return out
}
