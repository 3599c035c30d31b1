package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/weights"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/image"
)

// A process is measured as a user waits for it: the program starts, reads a script and 370 MB of weights, builds its program and answers one
// image. XLA's programs are kept from one process to the next, so the very first one is a case of its own.

const firstResultScript = `mseg 1
model m = sam_vit_b(weights: "weights.safetensors") |> adapt(mixture(4))
`

// firstResult runs whole processes of this program; cold ones find nothing compiled.
func firstResult(cold bool) func(b *graph.Backend, set Setting) (*work, error) {
	return func(b *graph.Backend, set Setting) (*work, error) { return processes(b, set, cold) }
}

func processes(b *graph.Backend, set Setting, cold bool) (*work, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mseg-bench-")
	if err != nil {
		return nil, err
	}
	free := func() { os.RemoveAll(dir) }
	if err := writeFirstResult(dir, set.Batch); err != nil {
		free()
		return nil, err
	}
	peak := 0
	cache := filepath.Join(dir, "cache") // so that the first process of a measurement is the same on every machine
	run := func() (time.Duration, error) {
		spec := b.Name()
		if p := b.Provenance().Plugin; p != "" {
			spec = "xla:" + p
		}
		cmd := exec.Command(program, "trace", filepath.Join(dir, "script.mseg")+":m", "--input", filepath.Join(dir, "in.npz"),
			"--out", filepath.Join(dir, "out.npz"), "--only", "output", "--task", "CT_Liver", "--backend", spec)
		cmd.Env = append(os.Environ(), "MSEG_CACHE="+cache)
		if cold {
			if err := os.RemoveAll(filepath.Join(cache, "programs")); err != nil {
				return 0, err
			}
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%w: %s", err, out)
		}
		peak = max(peak, peakOf(cmd.ProcessState.SysUsage()))
		return 0, nil
	}
	if !cold {
		if _, err := run(); err != nil {
			free()
			return nil, err
		}
		peak = 0
	}
	return &work{run: run, free: free, peakMB: func() int { return peak }}, nil
}

func writeFirstResult(dir string, batch int) error {
	m, err := models.Build(models.Config{Architecture: "vit_b", Image: side})
	if err != nil {
		return err
	}
	params, err := graph.Initialise(m.Parameters, 1)
	if err != nil {
		return err
	}
	if err := weights.Write(filepath.Join(dir, "weights.safetensors"), params, nil); err != nil {
		return err
	}
	values := example(batch)
	if err := image.WriteNPZ(filepath.Join(dir, "in.npz"), map[string]*image.Array{
		"image": image.NewArray(values[0].Floats, values[0].Dims...), "box": image.NewArray(values[1].Floats, values[1].Dims...)}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "script.mseg"), []byte(firstResultScript), 0o644)
}

// repeatProcess is Repeat for what happens in processes of its own: CPU times are those of the children.
func repeatProcess(f func() (time.Duration, error), e Effort) (Line, error) {
	l := Line{Others: -1, Processor: Processor()}
	var walls []float64
	e.begin()
	for end := time.Now().Add(time.Duration(e.Seconds * float64(time.Second))); len(walls) < max(e.Reps, 1) || time.Now().Before(end); {
		busy, cpu, start := machineBusy(), childTime(), time.Now()
		if _, err := f(); err != nil {
			return l, err
		}
		wall := time.Since(start).Seconds()
		used := childTime() - cpu
		others := -1.0
		if busy >= 0 {
			others = max(0, machineBusy()-busy-used) / wall
		}
		if len(walls) == 0 {
			l.First, l.CPU = wall, used
		}
		if walls = append(walls, wall); len(walls) == 1 || wall < l.Best {
			l.Best, l.Others = wall, others
		}
		l.CPU = min(l.CPU, used)
	}
	l.Reps, l.Median = len(walls), median(walls)
	l.Crit = l.CPU // processes begin with work that only one core can do
	return l, nil
}
