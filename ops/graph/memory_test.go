package graph

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"
)

// free makes so many bytes the memory of the machine for a test.
func free(t *testing.T, bytes int64) {
	t.Helper()
	before := freeMemory
	freeMemory = func() int64 { return bytes }
	t.Cleanup(func() { freeMemory = before })
}

// The fourth power of a 2048×2048 matrix: 16 MiB go in and stay the caller's, a
// square and its square are 16 MiB each.
func TestNeedOfAGraph(t *testing.T) {
	const n = 2048
	square := func(s *Scope, in []*Node) []*Node {
		x := gx.MatMul(in[0], in[0])
		return []*Node{gx.MatMul(x, x)}
	}
	eachBackend(t, func(t *testing.T, b *Backend) {
		p, err := NewProgram(b, ProgramConfig{Name: "square"}, []Shape{F32(n, n)}, square)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Free()
		if want := int64(3 * 4 * n * n); p.code.need != want {
			t.Errorf("%s are needed, want %s", Bytes(p.code.need), Bytes(want))
		}
		free(t, p.code.need-1)
		_, err = NewProgram(b, ProgramConfig{Name: "square"}, []Shape{F32(n, n)}, square)
		var want *MemoryError
		if !errors.As(err, &want) || want.Needed != p.code.need || want.Free != p.code.need-1 {
			t.Fatalf("a program of %d bytes on a machine with one byte less gives %v", p.code.need, err)
		}
		if got := err.Error(); got != "building square: out of memory: 48.0 MiB are needed, 48.0 MiB are free" {
			t.Error(got)
		}
	})
}

// A chain of products needs two of its links at a time, and all of them where
// a gradient reads them again; a recomputed chain needs fewer.
func TestNeedFollowsLifetimes(t *testing.T) {
	const n, links = 64, 24
	build := func(s *Scope, in []*Node) (*Node, []*Node) {
		x := in[0]
		for i := range links {
			if i%6 == 0 {
				x = s.Block(x)
			}
			x = GELU(Linear(s.In("%d", i), x, n, false))
		}
		return Mean(s, gx.Square(s.Unblock(x))), nil
	}
	b := openForTest(t, "go")
	program, err := NewProgram(b, ProgramConfig{Name: "chain"}, []Shape{F32(64*n, n)}, func(s *Scope, in []*Node) []*Node {
		loss, _ := build(s, in)
		return []*Node{loss}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Free()
	needs := map[bool]int64{}
	for _, recompute := range []bool{false, true} {
		st, err := NewStep(b, StepConfig{Name: "chain", Recompute: recompute}, []Shape{F32(64*n, n)}, build)
		if err != nil {
			t.Fatal(err)
		}
		needs[recompute] = st.code.need
		st.Free()
	}
	one := int64(4 * 64 * n * n)
	t.Logf("in links: forward %.1f, step %.1f, recomputed %.1f", float64(program.code.need)/float64(one), float64(needs[false])/float64(one), float64(needs[true])/float64(one))
	if program.code.need > 8*one {
		t.Errorf("forward needs %.1f links at a time", float64(program.code.need)/float64(one))
	}
	if needs[false] < links*one {
		t.Errorf("a step needs %.1f links, it must keep %d", float64(needs[false])/float64(one), links)
	}
	if needs[true] > needs[false]*3/4 {
		t.Errorf("a recomputed step needs %.1f links, one that is not %.1f", float64(needs[true])/float64(one), float64(needs[false])/float64(one))
	}
}

// What XLA cannot allocate is told with its size, and the backend works on.
func TestAllocationThatFailsOnXLA(t *testing.T) {
	b := openForTest(t, "xla")
	huge := func(s *Scope, in []*Node) []*Node {
		return []*Node{gx.BroadcastToDims(in[0], 1<<20, 1<<20)} // 4 TiB
	}
	p, err := NewProgram(b, ProgramConfig{Name: "huge"}, []Shape{F32()}, huge)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Free()
	_, err = p.Call(context.Background(), nil, 0, Floats([]float32{1}))
	var want *MemoryError
	if !errors.As(err, &want) || want.Needed < 1<<42 || !strings.Contains(err.Error(), "4.0 TiB are needed") {
		t.Fatalf("4 TiB give %v", err)
	}
	small, err := NewProgram(b, ProgramConfig{Name: "small"}, []Shape{F32()}, func(s *Scope, in []*Node) []*Node { return []*Node{gx.Add(in[0], in[0])} })
	if err != nil {
		t.Fatal(err)
	}
	defer small.Free()
	if r, err := small.Call(context.Background(), nil, 0, Floats([]float32{1})); err != nil || r.Outputs[0].Data[0] != 2 {
		t.Errorf("after that, 1 + 1 is %v, %v", r, err)
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1536: "1.5 KiB", 5 << 30: "5.0 GiB", 3 << 50: "3.0 PiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
	if err := fmt.Errorf("any other error"); openForTest(t, "go").shortage(err) != err {
		t.Error("an error that is not about memory was changed")
	}
	if FreeMemory() < 1<<20 {
		t.Errorf("%s are free", Bytes(FreeMemory()))
	}
}

// The order is set for one graph and is what it was afterwards, whatever the compilation does.
func TestOrderIsThatOfOneGraph(t *testing.T) {
	b := openForTest(t, "go")
	usual := schedulingOf(b.engine).Int()
	if usual == creationOrder() {
		t.Fatal("the usual order is that of creation")
	}
	for _, order := range []bool{true, false} {
		err := caught(func() {
			_ = b.inOrder(order, func() error {
				if got := schedulingOf(b.engine).Int() == creationOrder(); got != order {
					t.Errorf("in order of creation: %v, asked for %v", got, order)
				}
				panic(errors.New("fault"))
			})
		})
		if err == nil || schedulingOf(b.engine).Int() != usual {
			t.Errorf("after a fault (%v) the order is %d, want %d", err, schedulingOf(b.engine).Int(), usual)
		}
	}
}

// In a container the limit of its group counts, and what is in use of it.
func TestFreeMemoryOfAGroup(t *testing.T) {
	const gib = 1 << 30
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"a machine":                 {nil, 8 * gib},
		"a group without a limit":   {map[string]string{"memory.max": "max\n", "memory.current": "7516192768\n"}, 8 * gib},
		"a group with room":         {map[string]string{"memory.max": "4294967296\n", "memory.current": "1073741824\n"}, 3 * gib},
		"a group larger than it":    {map[string]string{"memory.max": "17179869184\n", "memory.current": "1073741824\n"}, 8 * gib},
		"files can be dropped":      {map[string]string{"memory.max": "4294967296\n", "memory.current": "3221225472\n", "memory.stat": "anon 1073741824\ninactive_file 2147483648\n"}, 3 * gib},
		"a group that is full":      {map[string]string{"memory.max": "4294967296\n", "memory.current": "4294967296\n"}, 1},
		"a limit and nothing known": {map[string]string{"memory.max": "4294967296\n"}, 4 * gib},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			meminfo := filepath.Join(dir, "meminfo")
			write := func(path, text string) {
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			write(meminfo, "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    8388608 kB\n")
			for name, text := range c.files {
				write(filepath.Join(dir, name), text)
			}
			if got := freeIn(meminfo, dir); got != c.want {
				t.Errorf("%s are free, want %s", Bytes(got), Bytes(c.want))
			}
		})
	}
	if got := freeIn(filepath.Join(t.TempDir(), "none"), t.TempDir()); got != 0 {
		t.Errorf("without the kernel's files %s are free", Bytes(got))
	}
}
