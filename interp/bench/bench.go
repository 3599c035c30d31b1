// Package bench measures how fast this program encodes, segments and trains, in the terms of the scripts that measure other programs, so
// that lines of both can be put into one table.
//
// A case (cases.go) is prepared once and then repeated. Machines are shared, so a wall time alone says little: [Clock] counts beside it the
// CPU seconds of the process and those of its busiest thread, and how many cores other processes used meanwhile. A [Line] is what is
// printed, one JSON object with the names of fields that the peers' scripts use; peers.go reads theirs and table.go lays both out with ratios.
//
// On a GPU the host's CPU seconds say nothing: there the wall time counts, from handing over the inputs until results are back on the host, so
// that nothing is still computed when the clock stops. How busy the device was is measured from two sides: as the part of the time between
// handing over a step and its loss (Line.Busy, everywhere), and by the driver's own counter (gpu.go).
//
// Weights are drawn, inputs are made up: speed does not depend on either.
package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Line is one measured thing. Times are seconds, divided by the batch where the unit is an image.
type Line struct {
	Name string
	Setting
	Threads int
	Options []string
	Unit    string // image, epoch or process
	Params  int    // parameters of the network; 0: of no interest

	Best, Median float64 // wall time
	CPU, Crit    float64 // of the process and of its busiest thread, least of all repetitions
	First        float64 // first call, compiling included
	Reps         int
	Others       float64 // cores that other processes used during the best repetition; below 0: unknown
	PeakMB       int     // of the whole process so far

	Device string  // what computed, where that is not the processor
	Busy   float64 // of a training: part of the time that the device computed, as seen from the host, 0 to 1; 0: not measured
	Rate   float64 // of a whole training: images a second, everything that happens between steps included; 0: not measured
	GPU    Usage   // what the driver counted

	Processor string
	Versions  map[string]string
}

// Estimate is about the wall time that a quiet machine would need: the CPU time of the busiest thread, and at least an equal share of all; on a
// device of its own the best wall time.
func (l Line) Estimate() float64 {
	if l.Device != "" {
		return l.Best
	}
	return max(l.Crit, l.CPU/float64(max(l.Threads, 1)))
}

// PerSecond is how many images are done in a second: in the median repetition, or over a whole training where one was measured.
func (l Line) PerSecond() float64 {
	if l.Rate > 0 {
		return l.Rate
	}
	return 1 / l.Median
}

// Wall says whether the best wall time was taken while the machine did little else.
func (l Line) Wall() (seconds float64, quiet bool) { return l.Best, l.Others >= 0 && l.Others < 0.2 }

func round(v float64, digits int) float64 {
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	return v
}

// MarshalJSON writes the fields of the peers' scripts: s_per_image_best and so on.
func (l Line) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	field := func(name string, v any) {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		text, err := json.Marshal(v)
		if err != nil { // NaN and infinities: no figure
			text = []byte("null")
		}
		fmt.Fprintf(&b, "%q: %s", name, text)
	}
	field("name", l.Name)
	field("batch", l.Batch)
	field("precision", l.Numbers())
	field("threads", l.Threads)
	field("options", append([]string{}, l.Options...))
	if l.Params > 0 {
		field("params", l.Params)
	}
	for _, t := range []struct {
		name string
		v    float64
	}{{"s_per_%s_best", l.Best}, {"s_per_%s_median", l.Median}, {"cpu_s_per_%s_best", l.CPU}, {"crit_cpu_s_per_%s_best", l.Crit}} {
		field(fmt.Sprintf(t.name, l.Unit), round(t.v, 4))
	}
	field("first_call_s", round(l.First, 4))
	field("reps", l.Reps)
	if l.Others >= 0 {
		field("others_cores", math.Round(l.Others*100)/100)
	}
	field("peak_rss_mb", l.PeakMB)
	if l.Unit == "image" {
		field("images_per_s", round(l.PerSecond(), 4))
	}
	if l.Busy > 0 {
		field("busy", round(l.Busy, 3))
	}
	if l.Device != "" {
		field("device", l.Device)
	}
	if l.GPU.Samples > 0 {
		field("gpu_samples", l.GPU.Samples)
		field("gpu_mb", l.GPU.MB)
		if l.GPU.Busy >= 0 {
			field("gpu_busy", round(l.GPU.Busy, 3))
		}
	}
	field("cpu", l.Processor)
	field("versions", l.Versions)
	return []byte("{" + b.String() + "}"), nil
}

// UnmarshalJSON reads a line of this program or of a peer's script. Lines of other shapes (a check, an export) have no times; see Measured.
func (l *Line) UnmarshalJSON(text []byte) error {
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	*l = Line{Others: -1, Unit: "image"}
	number := func(name string) float64 {
		v, ok := m[name].(float64)
		if !ok {
			return 0
		}
		return v
	}
	for name := range m {
		if unit, ok := strings.CutPrefix(name, "s_per_"); ok && strings.HasSuffix(unit, "_best") {
			l.Unit = strings.TrimSuffix(unit, "_best")
		}
	}
	l.Name, _ = m["name"].(string)
	l.Device, _ = m["device"].(string)
	if text, ok := m["precision"].(string); ok {
		l.Precision = text
	}
	l.Busy, l.GPU = number("busy"), Usage{Samples: int(number("gpu_samples")), MB: int(number("gpu_mb")), Busy: -1}
	if _, ok := m["gpu_busy"]; ok {
		l.GPU.Busy = number("gpu_busy")
	}
	if l.Name == "mseg/loop" || strings.HasPrefix(l.Name, "mseg/loop-") {
		l.Rate = number("images_per_s")
	}
	l.Batch, l.Threads, l.Reps, l.PeakMB = int(number("batch")), int(number("threads")), int(number("reps")), int(number("peak_rss_mb"))
	l.Params = int(number("params"))
	l.Best, l.Median, l.First = number("s_per_"+l.Unit+"_best"), number("s_per_"+l.Unit+"_median"), number("first_call_s")
	l.CPU, l.Crit = number("cpu_s_per_"+l.Unit+"_best"), number("crit_cpu_s_per_"+l.Unit+"_best")
	if _, ok := m["others_cores"]; ok {
		l.Others = number("others_cores")
	}
	l.Processor, _ = m["cpu"].(string)
	if list, ok := m["options"].([]any); ok {
		for _, o := range list {
			l.Options = append(l.Options, fmt.Sprint(o))
		}
	}
	if pad, ok := m["pad"].(string); ok {
		l.Options = append(l.Options, "pad="+pad)
	}
	if versions, ok := m["versions"].(map[string]any); ok {
		l.Versions = map[string]string{}
		for k, v := range versions {
			l.Versions[k] = fmt.Sprint(v)
		}
	}
	return nil
}

// Measured says whether the line holds times.
func (l Line) Measured() bool { return l.Name != "" && l.Best > 0 && l.CPU > 0 }

// Effort says how long a case is repeated: until both limits are reached.
type Effort struct {
	Seconds float64
	Reps    int
	Begin   func() // called when what is counted begins: after the first call and the one to warm up; may be nil
}

func (e Effort) begin() {
	if e.Begin != nil {
		e.Begin()
	}
}

// Repeat measures f, which returns when its results are there and says how long the device computed (0: it does not know): the first call alone,
// a second one to warm up, then repetitions. Calls below 20 ms are repeated within a repetition, so that the clocks themselves do not show.
// Times are divided by per.
func Repeat(f func() (device time.Duration, err error), per int, e Effort) (Line, error) {
	const short, long = 20 * time.Millisecond, 50 * time.Millisecond
	l := Line{Others: -1, Threads: runtime.GOMAXPROCS(0), Processor: Processor()}
	start := time.Now()
	if _, err := f(); err != nil {
		return l, err
	}
	l.First = time.Since(start).Seconds()
	start = time.Now()
	if _, err := f(); err != nil {
		return l, err
	}
	inner := 1
	if once := max(time.Since(start), time.Microsecond); once < short {
		inner = int(long / once)
	}
	var walls []float64
	var device, wall float64
	e.begin()
	l.CPU, l.Crit, l.Best = math.Inf(1), math.Inf(1), math.Inf(1)
	const most = 2000
	for end := time.Now().Add(time.Duration(e.Seconds * float64(time.Second))); len(walls) < most && (len(walls) < e.Reps || time.Now().Before(end)); {
		c := Start()
		for range inner {
			d, err := f()
			if err != nil {
				return l, err
			}
			device += d.Seconds()
		}
		t := c.Stop()
		wall += t.Wall
		share := float64(inner * per)
		walls = append(walls, t.Wall/share)
		if t.Wall/share < l.Best {
			l.Best, l.Others = t.Wall/share, t.Others
		}
		l.CPU, l.Crit = min(l.CPU, t.CPU/share), min(l.Crit, t.Crit/share)
	}
	l.Busy = min(1, device/wall)
	l.Median, l.Reps, l.PeakMB = median(walls), len(walls), PeakMB()
	return l, nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
