package bench

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/mseg-lang/mseg/ops/graph"
)

// Usage is what NVIDIA's driver counted while something was measured.
type Usage struct {
	Samples int
	Busy    float64 // part of the time in which any kernel ran, 0 to 1, the mean of the samples; below 0: the driver does not tell (MIG)
	MB      int     // most memory in use at once, MiB, that of other processes included
}

// watch asks the driver five times a second, where the backend is an NVIDIA GPU. nvidia-smi repeats its answer by itself, so that its start counts
// once.
type watch struct {
	b       *graph.Backend
	stop    context.CancelFunc
	usage   chan Usage
	settled time.Duration // samples before are left out: the driver's counter looks back up to a second
}

const (
	sampleEvery = "200" // ms
	settle      = 1100 * time.Millisecond
)

// begin starts the watch; it does nothing where there is nothing to watch.
func (w *watch) begin() {
	if w.b == nil || !graph.CUDAPlugin(w.b.Provenance().Plugin) {
		return
	}
	w.start(settle)
}

func (w *watch) start(settled time.Duration) {
	gpu, err := graph.NVIDIA(context.Background())
	if err != nil {
		return // without a driver's program nothing is counted, and the line says so by having no such field
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "nvidia-smi", "--id="+gpu.ID, "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "--loop-ms="+sampleEvery)
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		stop()
		return
	}
	w.stop, w.usage = stop, make(chan Usage, 1)
	go func() {
		u := readUsage(out, time.Now().Add(settled))
		_ = cmd.Wait() // it was told to end
		w.usage <- u
	}()
}

// end ends the watch and returns what was counted.
func (w *watch) end() Usage {
	if w.stop == nil {
		return Usage{}
	}
	w.stop()
	u := <-w.usage
	w.stop = nil
	return u
}

// readUsage reads "97, 12345" line by line. Busy samples from before that time count only where there are no others.
func readUsage(r io.Reader, from time.Time) Usage {
	u := Usage{Busy: -1}
	var sum, early float64
	var n, before int
	for s := bufio.NewScanner(r); s.Scan(); {
		busy, memory, ok := strings.Cut(s.Text(), ",")
		mb, err := strconv.Atoi(strings.TrimSpace(memory))
		if !ok || err != nil {
			continue
		}
		u.Samples++
		u.MB = max(u.MB, mb)
		percent, err := strconv.ParseFloat(strings.TrimSpace(busy), 64)
		switch {
		case err != nil:
		case time.Now().Before(from):
			early, before = early+percent, before+1
		default:
			sum, n = sum+percent, n+1
		}
	}
	if n == 0 {
		sum, n = early, before
	}
	if n > 0 {
		u.Busy = sum / float64(n) / 100
	}
	return u
}
