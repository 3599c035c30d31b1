package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mseg-lang/mseg/interp/bench"
	"github.com/mseg-lang/mseg/ops/graph"
)

type benchCmd struct {
	Only      []string `help:"Cases to measure, or a prefix of theirs; --list shows them." placeholder:"CASE"`
	Seconds   float64  `help:"How long each case is repeated, five times at least." default:"8"`
	Threads   int      `help:"Threads of the backend; all cores by default." placeholder:"N"`
	Backend   string   `help:"go, xla or xla:PATH. Without it: xla if its plugin is installed, else go." env:"MSEG_BACKEND" placeholder:"NAME"`
	Precision []string `help:"Types in which products and convolutions are computed, one after the other: f32 (full float32, the default), tf32 (10 bits of mantissa, NVIDIA GPUs), bf16 and f16 (XLA)." placeholder:"TYPE"`
	Batch     []int    `help:"Batch sizes, one after the other, instead of those of --list: a large GPU wants 32 and more." placeholder:"N"`
	Peers     []string `help:"Lines that other programs printed, to be put beside: what the scripts in bench/ write." placeholder:"FILE"`
	Lines     []string `help:"Lines of this command from before, to be put into the table as well." placeholder:"FILE"`
	JSON      bool     `help:"Print one line of JSON for each case instead of the table."`
	List      bool     `help:"List the cases, measure nothing."`
	Here      bool     `hidden:"" help:"Measure in this process."`
}

func (c benchCmd) Run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.List {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		for _, k := range bench.Cases {
			fmt.Fprintf(w, "%s\tB=%d\t%s\n", k.Name, k.Batch, k.Doc)
		}
		return w.Flush()
	}
	cases, err := c.cases()
	if err != nil {
		return err
	}
	if c.Here {
		return c.here(cases)
	}
	peers, err := readBenchLines(c.Peers)
	if err != nil {
		return err
	}
	ours, err := readBenchLines(c.Lines)
	if err != nil {
		return err
	}
	var failed error
	if len(c.Lines) == 0 || len(c.Only) > 0 {
		measured, err := c.measure(ctx, cases)
		ours = append(ours, measured...)
		if err != nil && (c.JSON || ctx.Err() != nil || len(ours) == 0) {
			return err
		}
		failed = err
	}
	if c.JSON {
		return nil
	}
	return errors.Join(bench.WriteTable(os.Stdout, bench.Least(ours), bench.Least(peers)), failed)
}

// measure measures the cases in all settings asked for. What fails is told at the end: a batch that does not fit into memory says nothing about
// the others.
func (c benchCmd) measure(ctx context.Context, cases []bench.Case) (measured []bench.Line, failed error) {
	for _, k := range cases {
		settings := k.Settings(c.Batch, c.Precision)
		if len(settings) == 0 && len(cases) == 1 {
			return nil, fmt.Errorf("%s is measured in f32 only", k.Name)
		}
		for _, s := range settings {
			lines, err := c.child(ctx, k, s)
			if ctx.Err() != nil {
				return measured, ctx.Err()
			}
			if err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			if c.JSON {
				os.Stdout.Write(lines)
			}
			read, err := bench.ReadLines(strings.NewReader(string(lines)))
			if err != nil {
				return measured, err
			}
			measured = append(measured, read...)
		}
	}
	return measured, failed
}

// check looks at the numbers that were given.
func (c benchCmd) check() error {
	if c.Seconds < 0 || c.Threads < 0 {
		return fmt.Errorf("found %g seconds and %d threads, expected 0 or more", c.Seconds, c.Threads)
	}
	for _, p := range c.Precision {
		if !slices.Contains(bench.Precisions, p) {
			return fmt.Errorf("precision %q is unknown; use %s", p, strings.Join(bench.Precisions, ", "))
		}
	}
	for _, n := range c.Batch {
		if n < 1 || n > 65536 {
			return fmt.Errorf("found a batch of %d, expected 1 to 65536", n)
		}
	}
	return nil
}

// cases are those asked for, in the order of the list.
func (c benchCmd) cases() ([]bench.Case, error) {
	if len(c.Only) == 0 {
		return bench.Cases, nil
	}
	for _, name := range c.Only {
		if !slices.ContainsFunc(bench.Cases, func(k bench.Case) bool { return strings.HasPrefix(k.Name, name) }) {
			return nil, fmt.Errorf("no case is called %q; mseg bench --list shows them", name)
		}
	}
	var out []bench.Case
	for _, k := range bench.Cases {
		exact := slices.Contains(c.Only, k.Name)
		prefix := slices.ContainsFunc(c.Only, func(name string) bool {
			_, err := bench.Find(name)
			return err != nil && strings.HasPrefix(k.Name, name)
		})
		if exact || prefix {
			out = append(out, k)
		}
	}
	return out, nil
}

// child measures a case in one setting, in a process of its own, so that its memory is its own as well and threads are those asked for.
func (c benchCmd) child(ctx context.Context, k bench.Case, s bench.Setting) ([]byte, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"bench", "--here", "--only", k.Name, "--seconds", fmt.Sprint(c.Seconds), "--backend", c.Backend,
		"--batch", fmt.Sprint(s.Batch), "--precision", s.Numbers()}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = os.Environ()
	if c.Threads > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("PJRT_NPROC=%d", c.Threads), fmt.Sprintf("GOMAXPROCS=%d", c.Threads))
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("measuring %s, %s: %w", k.Name, s, err)
	}
	return out, nil
}

func (c benchCmd) here(cases []bench.Case) error {
	enc := json.NewEncoder(os.Stdout)
	for _, k := range cases {
		for _, s := range k.Settings(c.Batch, c.Precision) {
			b, err := graph.OpenWith(c.Backend, s.Options())
			if err != nil {
				return err
			}
			l, err := k.Run(b, s, bench.Effort{Seconds: c.Seconds, Reps: 5})
			if err != nil {
				return err
			}
			if err := enc.Encode(l); err != nil {
				return err
			}
		}
	}
	return nil
}

func readBenchLines(files []string) ([]bench.Line, error) {
	var out []bench.Line
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		lines, err := bench.ReadLines(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, lines...)
	}
	return out, nil
}
