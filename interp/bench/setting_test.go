package bench

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/internal/onbackend"
	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/ops/graph"
)

func TestSettings(t *testing.T) {
	sam, err := Find("sam")
	if err != nil {
		t.Fatal(err)
	}
	process, err := Find("first-result")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		of         Case
		batches    []int
		precisions []string
		want       string
	}{
		{sam, nil, nil, "[B=1 f32]"},
		{sam, []int{1, 32}, []string{"f32", "tf32", "bf16"}, "[B=1 f32 B=1 tf32 B=1 bf16 B=32 f32 B=32 tf32 B=32 bf16]"},
		{process, []int{32}, []string{"bf16", "f32"}, "[B=1 f32]"},
		{process, nil, []string{"bf16"}, "[]"},
	} {
		if got := fmt.Sprint(c.of.Settings(c.batches, c.precisions)); got != c.want {
			t.Errorf("%s with %v and %v: %s, expected %s", c.of.Name, c.batches, c.precisions, got, c.want)
		}
	}
	if o := (Setting{Precision: "tf32"}).Options(); !o.TF32 {
		t.Error("tf32 is not asked of the backend")
	}
	if (Setting{Precision: "bf16"}).Options().TF32 || (Setting{Precision: "tf32"}).halves() != "f32" || (Setting{Precision: "bf16"}).halves() != "bf16" {
		t.Error("precisions are mixed up")
	}
}

// Halves reach the graph, in inference and in training, and the line says what it was.
func TestPrecisionReachesTheGraph(t *testing.T) {
	b := onbackend.Open(t, "xla")
	net := func(s *graph.Scope, in graph.Inputs) graph.Outputs { // a pixel's colour decides
		return graph.Outputs{Masks: gx.TransposeAllAxes(graph.Conv2d(s.In("head"), in.Image, 1, graph.Conv{Kernel: 1}), 0, 3, 1, 2)}
	}
	for _, steps := range []bool{false, true} {
		c := Case{Name: "pixels", Batch: 4, prepare: unetCase(net, steps)}
		l, err := c.Run(b, Setting{Batch: 1, Precision: "bf16"}, Effort{Reps: 1})
		if err != nil {
			t.Fatal(err)
		}
		if l.Batch != 1 || l.Numbers() != "bf16" || !(l.Best > 0) || l.Device != "" || l.GPU.Samples != 0 {
			t.Errorf("%+v", l)
		}
		if steps != (l.Busy > 0) || l.Busy > 1 {
			t.Errorf("steps: %v, busy for %g of the time", steps, l.Busy)
		}
		if l, err := c.Run(b, Setting{}, Effort{Reps: 1}); err != nil || l.Batch != 4 || l.Numbers() != "f32" {
			t.Errorf("by itself: %+v, %v", l, err)
		}
		if _, err := c.Run(onbackend.Open(t, "go"), Setting{Precision: "bf16"}, Effort{}); err == nil || !strings.Contains(err.Error(), "pixels: bench: precision bf16: the go backend computes in f32 only") {
			t.Errorf("on go: %v", err)
		}
	}
}

const tinyLoop = `mseg 1
data made = phantom(patients: 1, slices: 2, size: 32 px) |> prep(percentile(0 %% .. 100 %%) |> slices() |> resize(32 px))
model m = unet(image: 32 px, base: 4, depth: 2) |> train(made, epochs: %d, batch: 2) { augment: augment(rotate: 15 deg) }
`

// A whole training is followed through its events, and stopped when enough was seen.
func TestTheLoopIsMeasured(t *testing.T) {
	b, began := onbackend.Open(t, "go"), false
	l, err := trainLoop(b, t.TempDir(), fmt.Sprintf(tinyLoop, epochs), 2, Effort{Reps: 7, Begin: func() { began = true }})
	if err != nil {
		t.Fatal(err)
	}
	if l.Reps != 7 || !began || !(l.First > 0) || !(l.Best > 0) || l.Median < l.Best || !(l.Rate > 0) || !(l.Busy > 0 && l.Busy <= 1) || !(l.CPU > 0) {
		t.Errorf("began: %v, %+v", began, l)
	}
	if _, err := trainLoop(b, t.TempDir(), "mseg 1\nmodel m = nothing()\n", 2, Effort{}); err == nil || !strings.Contains(err.Error(), "the script of this case has mistakes") {
		t.Errorf("a script that is wrong: %v", err)
	}
	for name, text := range map[string]string{
		"medsegx": fmt.Sprintf(loopData, 2, medsegxLoop, epochs, 2, ", precision: bf16"), "unet": fmt.Sprintf(loopData, 2, unetLoop, epochs, 2, "")} {
		if err := checked(text); err != nil {
			t.Errorf("the script of %s: %v", name, err)
		}
	}
}

// Images and device time are those of the steps: the end of an epoch, which repeats its last step, counts for nothing, its last batch for what it
// holds, and a checkpoint as time without the device.
func TestStepsOfALoopAreCounted(t *testing.T) {
	stopped := 0
	m := loopMeter{effort: Effort{Reps: 5}, batch: 4, stop: func() { stopped++ }}
	step := func(done int, rate, busy float64, took time.Duration) {
		m.at = time.Now().Add(-took) // what happens between two events takes no time here
		m.event(engine.Event{Kind: "progress", Op: "train", Unit: "steps", Done: done, Total: 4 * epochs, Rate: rate, Busy: busy})
	}
	m.event(engine.Event{Kind: "start", Op: "train"})
	for i := range 3 {
		step(i+1, 100, 1, 40*time.Millisecond)
	}
	step(4, 50, 0.5, 40*time.Millisecond) // two images in 40 ms
	step(4, 1, 1, time.Hour)              // the end of the epoch
	for i := range 4 {
		step(5+i, 100, 0.75, 40*time.Millisecond)
	}
	if stopped != 1 || !m.enough || m.images != 2+4*4 || !(math.Abs(m.device-(0.02+4*0.03)) <= 1e-9) || !slices.Equal(m.steps, []float64{0.02, 0.01, 0.01, 0.01, 0.01}) {
		t.Errorf("stopped %d times, %+v", stopped, m)
	}
	step(9, 1, 1, time.Second) // what still comes before the training ends
	if stopped != 1 || m.images != 18 {
		t.Errorf("counted on: %+v", m)
	}
}

func TestWhatTheDriverCounts(t *testing.T) {
	past := time.Now().Add(-time.Minute)
	for name, c := range map[string]struct {
		text string
		from time.Time
		want Usage
	}{
		"several":                 {"90, 1000\n100, 1500\n80, 1200\n", past, Usage{3, 0.9, 1500}},
		"none":                    {"", past, Usage{0, -1, 0}},
		"MIG":                     {"[N/A], 1000\n", past, Usage{1, -1, 1000}},
		"noise":                   {"No devices were found\n50, 10\n\n", past, Usage{1, 0.5, 10}},
		"only early ones":         {"40, 10\n60, 10\n", time.Now().Add(time.Minute), Usage{2, 0.5, 10}},
		"the driver knows memory": {"x, y\n", past, Usage{0, -1, 0}},
	} {
		if got := readUsage(strings.NewReader(c.text), c.from); got != c.want {
			t.Errorf("%s: %+v, expected %+v", name, got, c.want)
		}
	}
}

// The watch asks nvidia-smi for the GPU in use, ends it, and leaves no process behind. On the processor it does nothing.
func TestTheDriverIsWatched(t *testing.T) {
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	fake := "#!/bin/sh\ncase \"$*\" in *name*) echo '81559, 570.1, NVIDIA H100';; *--id=2*utilization*loop*) echo $$ >" + pid + ".new; mv " + pid + ".new " + pid + "; while :; do echo '97, 12345'; sleep 0.02; done;; *) exit 9;; esac\n"
	if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte(fake), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("CUDA_VISIBLE_DEVICES", "2")
	var w watch
	w.start(0)
	for range 500 {
		if _, err := os.Stat(pid); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	u := w.end()
	if u.Samples < 1 || u.Busy != 0.97 || u.MB != 12345 {
		t.Errorf("counted %+v", u)
	}
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/" + strings.TrimSpace(string(text))); err == nil {
		t.Error("nvidia-smi goes on")
	}
	idle := watch{b: onbackend.Open(t, "go")}
	idle.begin()
	if u := idle.end(); u != (Usage{}) || idle.stop != nil {
		t.Errorf("on the processor: %+v", u)
	}
}

// Lines of a GPU have a table of their own, with what peers did on the same one, and say what computed them.
func TestTableOfAGPU(t *testing.T) {
	versions := map[string]string{"go": "go1.26", "pjrt": "0.116", "plugin": "xla_cuda_plugin.so", "plugin_sha256": "0123456789abcdef"}
	line := func(name, precision string, seconds float64) Line {
		return Line{Name: name, Setting: Setting{Batch: 32, Precision: precision}, Unit: "image", Best: seconds / 2, Median: seconds, CPU: 9, Crit: 9, First: 12, PeakMB: 900,
			Device: "NVIDIA H100, 80 GiB, driver 570.1", Versions: versions, GPU: Usage{Samples: 9, Busy: 0.96, MB: 20000}, Processor: "p"}
	}
	loop := line("mseg/loop-train", "bf16", 0.002)
	loop.Rate, loop.Busy = 450, 0.93
	train := line("mseg/train", "", 0.01)
	train.GPU = Usage{}
	var b strings.Builder
	host := Line{Name: "mseg/sam", Setting: Setting{Batch: 1, Precision: "bf16"}, Processor: "p", Threads: 2, CPU: 1, Crit: 0.5, Best: 1, Others: -1}
	rival := Line{Name: "jax_vit/fwd", Setting: Setting{Batch: 1}, Processor: "p", Threads: 2, CPU: 1, Crit: 0.5, Best: 1}
	peer := line("torch_medsegx/train", "bf16", 0.005)
	peer.Device, peer.Options, peer.GPU = "NVIDIA H100", []string{"pad=exact"}, Usage{Samples: 1, MB: 4000, Busy: -1}
	elsewhere, wide := peer, peer
	elsewhere.Device, elsewhere.Options, wide.Precision, wide.Options = "NVIDIA A100", []string{"elsewhere"}, "", []string{"wide"}
	if err := WriteTable(&b, []Line{host, train, line("mseg/train", "bf16", 0.004), loop}, []Line{rival, peer, elsewhere, wide}); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{
		"| mseg/sam bf16 | 0.5 |",
		"NVIDIA H100, 80 GiB, driver 570.1; xla_cuda_plugin.so, PJRT 0.116, sha256 0123456789ab…; go1.26. Times are wall times, results waited for.",
		"| MedSegX-B, one AdamW step of experts and decoder | 32 | f32 | mseg | 10 | 100 |  |  |  |  | 900 | 12 |  |\n|  |  |  | torch_medsegx/train wide | 5 | 200 | 2.00 |",
		"|  | 32 | bf16 | mseg | 4 | 250 |  |  | 96 % | 20000 | 900 | 12 | 2.50 |\n",
		"|  |  |  | torch_medsegx/train pad=exact | 5 | 200 | 0.80 |  |  | 4000 | 900 | 12 |  |\n",
		"| MedSegX-B trained by the whole engine: images from the store, augmented, checkpoints | 32 | bf16 | mseg | 2.22 | 450 |  | 93 % | 96 % | 20000 | 900 | 12 |  |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks\n%s\nit is\n%s", want, text)
		}
	}
	if strings.Contains(text, "jax_vit") {
		t.Error("a line in bf16 is compared with one of the peers")
	}
	if strings.Contains(text, "elsewhere") || strings.Count(text, "wide") != 1 {
		t.Errorf("peers of another GPU or precision are put beside:\n%s", text)
	}
}

// On a GPU the host's CPU seconds say nothing.
func TestEstimateOnAGPUIsTheWallTime(t *testing.T) {
	l := Line{Best: 0.01, CPU: 3, Crit: 2, Threads: 2}
	if l.Estimate() != 2 {
		t.Errorf("on the processor %g", l.Estimate())
	}
	if l.Device = "a GPU"; l.Estimate() != 0.01 {
		t.Errorf("on a GPU %g", l.Estimate())
	}
}
