package bench

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Clock counts what happens between Start and Stop. The counters are those of Linux; elsewhere CPU times equal the wall time and the share
// of others is unknown.
type Clock struct {
	wall    time.Time
	cpu     float64
	threads map[string]float64
	busy    float64
}

// Times are seconds between Start and Stop.
type Times struct {
	Wall, CPU float64
	Crit      float64 // CPU time of the busiest thread
	Others    float64 // cores used by other processes; below 0: unknown
}

// Start reads the counters.
func Start() Clock {
	c := Clock{threads: threadTimes(), busy: machineBusy()}
	c.cpu = processTime()
	c.wall = time.Now()
	return c
}

// Stop reads them again.
func (c Clock) Stop() Times {
	t := Times{Wall: time.Since(c.wall).Seconds(), Others: -1}
	cpu, busy, threads := processTime(), machineBusy(), threadTimes()
	if cpu < 0 || threads == nil {
		t.CPU, t.Crit = t.Wall, t.Wall
		return t
	}
	t.CPU = cpu - c.cpu
	for id, v := range threads {
		t.Crit = max(t.Crit, v-c.threads[id])
	}
	if busy >= 0 && c.busy >= 0 {
		t.Others = max(0, busy-c.busy-t.CPU) / t.Wall
	}
	return t
}

// threadTimes are the CPU seconds of each thread of this process so far; nil where the system does not tell.
func threadTimes() map[string]float64 {
	files, _ := filepath.Glob("/proc/self/task/*/schedstat")
	if len(files) == 0 {
		return nil
	}
	out := make(map[string]float64, len(files))
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil { // a thread may have ended meanwhile
			ns, _, _ := strings.Cut(string(text), " ")
			if v, err := strconv.ParseFloat(ns, 64); err == nil {
				out[filepath.Base(filepath.Dir(f))] = v / 1e9
			}
		}
	}
	return out
}

// ticks of /proc/stat in a second; the kernel reports 100 on every architecture.
const ticks = 100

// machineBusy is the CPU seconds of all processes since boot, waiting left out; below 0 where unknown.
func machineBusy() float64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return -1
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return -1
	}
	sum := 0.0
	for _, i := range []int{1, 2, 3, 6, 7, 8} { // user, nice, system, irq, softirq, steal
		v, _ := strconv.ParseFloat(fields[i], 64)
		sum += v
	}
	return sum / ticks
}

// PeakMB is the largest memory that the process has had at once, in MiB; 0 where unknown. The kernel's figure for this program is read, not
// rusage's, which begins with what the parent process used.
func PeakMB() int { return statusMB("/proc/self/status", "VmHWM:") }

func statusMB(file, key string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kb, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kb >> 10
		}
	}
	return 0
}

// Processor names model and vector instructions of this machine, in the peers' form.
func Processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	first, _, _ := strings.Cut(string(text), "\n\n")
	facts := map[string]string{}
	for line := range strings.Lines(first) {
		k, v, _ := strings.Cut(line, ":")
		facts[strings.TrimSpace(k)] = strings.TrimSpace(v)
	}
	set := "?"
	flags := strings.Fields(facts["flags"])
	for _, f := range flags {
		switch {
		case f == "avx512f":
			set = "avx512"
		case f == "avx2" && set == "?":
			set = "avx2"
		}
	}
	return facts["model name"] + " fam " + facts["cpu family"] + " mod " + facts["model"] + " " + set
}
