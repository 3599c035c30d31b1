package bench

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/ops/graph"
)

// A line of the peers' scripts, shortened.
const peer = `{"name": "torch_medsegx/sam", "batch": 1, "threads": 2, "attn": "sdpa", "pad": "exact", "options": ["compile"], "s_per_image_best": 0.8973, "s_per_image_median": 1.009, "cpu_s_per_image_best": 0.6344, "crit_cpu_s_per_image_best": 0.3297, "first_call_s": 1.125, "reps": 8, "others_cores": 1.28, "peak_rss_mb": 1074, "cpu": "AMD EPYC fam 25 mod 17 avx512", "versions": {"torch": "2.15.0"}}`

func TestPeersLinesAreRead(t *testing.T) {
	lines, err := ReadLines(strings.NewReader("a warning\n" + peer + "\n{\"name\": \"onnx/export\", \"mb\": 331}\n"))
	if err != nil || len(lines) != 1 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	l := lines[0]
	if l.Name != "torch_medsegx/sam" || l.Unit != "image" || l.Best != 0.8973 || l.CPU != 0.6344 || l.Crit != 0.3297 || l.Others != 1.28 || l.PeakMB != 1074 ||
		l.Threads != 2 || !slices.Equal(l.Options, []string{"compile", "pad=exact"}) || l.Versions["torch"] != "2.15.0" {
		t.Errorf("read %+v", l)
	}
	if e := l.Estimate(); e != 0.3297 {
		t.Errorf("estimate %g, expected that of the busiest thread", e)
	}
	if _, quiet := l.Wall(); quiet {
		t.Error("the machine was not quiet")
	}
	if _, err := ReadLines(strings.NewReader(`{"name": 3`)); err == nil {
		t.Error("broken JSON was read")
	}
}

// What is printed can be read again, and has the peers' names.
func TestALineComesBack(t *testing.T) {
	want := Line{Name: "mseg/sam", Setting: Setting{Batch: 1, Precision: "bf16"}, Threads: 2, Options: []string{"backend=go"}, Unit: "image", Params: 3, Best: 0.5, Median: 0.6, CPU: 0.4, Crit: 0.3,
		First: 2, Reps: 7, Others: 0.25, PeakMB: 99, Busy: 0.875, Device: "a GPU", GPU: Usage{Samples: 4, Busy: 0.5, MB: 77}, Processor: "x", Versions: map[string]string{"go": "1"}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var theirs, ours map[string]any
	if err := errors.Join(json.Unmarshal([]byte(peer), &theirs), json.Unmarshal(text, &ours)); err != nil {
		t.Fatal(err)
	}
	for name := range theirs {
		if _, ok := ours[name]; !ok && name != "attn" && name != "pad" {
			t.Errorf("the field %s of the peers is missing", name)
		}
	}
	lines, err := ReadLines(strings.NewReader(string(text)))
	if err != nil || len(lines) != 1 {
		t.Fatal(err, lines)
	}
	got := lines[0]
	if got.Name != want.Name || got.Best != want.Best || got.Median != want.Median || got.CPU != want.CPU || got.Crit != want.Crit || got.Others != want.Others ||
		got.Params != want.Params || got.Setting != want.Setting || got.Busy != want.Busy || got.Device != want.Device || got.GPU != want.GPU || got.Reps != want.Reps || !slices.Equal(got.Options, want.Options) {
		t.Errorf("%+v came back as %+v", want, got)
	}
}

// Only lines of the same processor, batch and number of threads are put beside ours.
func TestRivals(t *testing.T) {
	c, err := Find("sam")
	if err != nil {
		t.Fatal(err)
	}
	ours := Line{Name: "mseg/sam", Setting: Setting{Batch: 1}, Threads: 2, Processor: "p", CPU: 0.5, Crit: 0.2, Best: 1}
	line := func(name string, change func(*Line)) Line {
		l := Line{Name: name, Setting: Setting{Batch: 1}, Threads: 2, Processor: "p", CPU: 1, Crit: 0.6, Best: 1, Unit: "image"}
		change(&l)
		return l
	}
	peers := []Line{
		line("torch_medsegx/sam", func(*Line) {}),
		line("torch_medsegx/sam", func(l *Line) { l.Processor = "q" }),
		line("torch_medsegx/sam", func(l *Line) { l.Batch = 4 }),
		line("torch_medsegx/sam", func(l *Line) { l.Threads = 1 }),
		line("torch_medsegx/infer", func(*Line) {}),
		line("onnxruntime/sam-exact-b1", func(l *Line) { l.Crit = 0.5 }),
		line("jax_vit/fwd", func(l *Line) { l.Threads, l.CPU = 0, 0.8 }),
	}
	var names []string
	for _, r := range c.Rivals(ours, peers) {
		names = append(names, r.Name)
	}
	if want := []string{"onnxruntime/sam-exact-b1", "torch_medsegx/sam", "jax_vit/fwd"}; !slices.Equal(names, want) {
		t.Errorf("found %v, expected %v, the fastest first", names, want)
	}
	var b strings.Builder
	if err := WriteTable(&b, []Line{ours}, peers); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "| 0.50 |\n") || strings.Count(b.String(), "\n") != 6 {
		t.Errorf("the table is\n%s", b.String())
	}
}

func TestLeastOfSeveralRuns(t *testing.T) {
	a := Line{Name: "x", Best: 3, CPU: 1, Crit: 2, Others: 1, Reps: 1, PeakMB: 5}
	b := Line{Name: "x", Best: 2, CPU: 2, Crit: 1, Others: 0, Reps: 2, PeakMB: 4}
	other := Line{Name: "x", Options: []string{"compile"}, Best: 1}
	got := Least([]Line{a, b, other})
	if len(got) != 2 || got[0].Best != 2 || got[0].Others != 0 || got[0].CPU != 1 || got[0].Crit != 1 || got[0].Reps != 3 || got[0].PeakMB != 4 {
		t.Errorf("%+v", got)
	}
}

func TestRepeatCountsWork(t *testing.T) {
	sum := 0.0
	work := func() (time.Duration, error) {
		start := time.Now()
		for i := range 3_000_000 {
			sum += math.Sqrt(float64(i))
		}
		return time.Since(start) / 2, nil
	}
	l, err := Repeat(work, 2, Effort{Reps: 3})
	if err != nil {
		t.Fatal(err)
	}
	if l.Reps < 3 || !(l.Best > 0) || !(l.CPU > 0) || l.Crit > l.CPU*1.5+0.01 || l.Median < l.Best || l.First <= 0 {
		t.Errorf("%+v", l)
	}
	if l.CPU > 2*l.Best*float64(max(l.Threads, 2))+0.02 {
		t.Errorf("%g s of CPU in %g s", l.CPU, l.Best)
	}
	broken := errors.New("broken")
	if _, err := Repeat(func() (time.Duration, error) { return 0, broken }, 1, Effort{}); !errors.Is(err, broken) {
		t.Errorf("the failure of what is measured became %v", err)
	}
}

// The U-Net in MONAI's shapes has MONAI's number of parameters, and ours differs by what it reads two more colours with.
func TestUNetsHaveThePeersSizes(t *testing.T) {
	for name, c := range map[string]struct {
		net  graph.Network
		want int
	}{"basic": {basicUNet(), 1978433}, "inst16": {inst16(), 482449 + 2*9*16}} {
		specs, err := graph.Declare(models.InputShapes(1, side), models.Flat(c.net))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, s := range specs {
			values := 1
			for _, d := range s.Dims {
				values *= d
			}
			n += values
		}
		if n != c.want {
			t.Errorf("%s has %d parameters, expected %d", name, n, c.want)
		}
	}
}

func TestCasesAreSound(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Cases {
		if seen[c.Name] || c.Doc == "" || c.Batch < 1 || c.prepare == nil {
			t.Errorf("case %+v", c)
		}
		seen[c.Name] = true
	}
	if _, err := Find("nothing"); err == nil {
		t.Error("a case without a name was found")
	}
}
