package weights_test

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/models/internal/golden"
	"github.com/mseg-lang/mseg/models/weights"
	"github.com/mseg-lang/mseg/ops/graph"
)

func params(t *testing.T, shapes map[string][]int) *graph.Params {
	t.Helper()
	p := graph.NewParams()
	for name, dims := range shapes {
		tensor := graph.NewTensor(dims...)
		for i := range tensor.Data {
			tensor.Data[i] = float32(i) + float32(len(name))
		}
		if err := p.Set(name, tensor); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func specs(shapes map[string][]int) []graph.Spec {
	var s []graph.Spec
	for name, dims := range shapes {
		s = append(s, graph.Spec{Name: name, Dims: dims, Init: graph.Zeros})
	}
	slices.SortFunc(s, func(a, b graph.Spec) int { return strings.Compare(a.Name, b.Name) })
	return s
}

func TestLoadReportsWhatDoesNotFit(t *testing.T) {
	model := map[string][]int{"a.weight": {2, 3}, "a.bias": {2}, "b.weight": {4}}
	for _, c := range []struct {
		name   string
		file   map[string][]int
		loaded []string
		text   string
		err    string // part of Err(nil); empty: none
	}{
		{"all", model, []string{"a.bias", "a.weight", "b.weight"}, "3 loaded", ""},
		{"prefix", map[string][]int{"module.a.weight": {2, 3}, "module.a.bias": {2}, "module.b.weight": {4}},
			[]string{"a.bias", "a.weight", "b.weight"}, "3 loaded", ""},
		{"missing", map[string][]int{"a.weight": {2, 3}, "b.weight": {4}}, []string{"a.weight", "b.weight"},
			"2 loaded, 1 missing (a.bias)", "1 parameters are not there: a.bias"},
		{"unexpected", map[string][]int{"a.weight": {2, 3}, "a.bias": {2}, "b.weight": {4}, "c": {1}, "pixel_mean": {3}},
			[]string{"a.bias", "a.weight", "b.weight"}, "3 loaded, 1 unexpected (c)", ""},
		{"shape", map[string][]int{"a.weight": {3, 2}, "a.bias": {2}, "b.weight": {4}}, []string{"a.bias", "b.weight"},
			"2 loaded, 1 of another shape (a.weight [3 2] instead of [2 3])", "first a.weight: found [3 2], expected [2 3]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			into := params(t, model)
			report, err := weights.Load(into, specs(model), params(t, c.file))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(report.Loaded, c.loaded) {
				t.Errorf("loaded %v, expected %v", report.Loaded, c.loaded)
			}
			if got := report.String(); got != c.text {
				t.Errorf("report %q, expected %q", got, c.text)
			}
			switch err := report.Err(nil); {
			case c.err == "" && err != nil:
				t.Errorf("unexpected error: %v", err)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("error %v, expected one with %q", err, c.err)
			}
			if err := report.Err(func(string) bool { return true }); len(report.Mismatched) == 0 && err != nil {
				t.Errorf("error although everything may be missing: %v", err)
			}
		})
	}
}

func TestLoadLeavesTheFileAlone(t *testing.T) {
	shapes := map[string][]int{"a": {2}}
	file, into := params(t, shapes), params(t, shapes)
	if _, err := weights.Load(into, specs(shapes), file); err != nil {
		t.Fatal(err)
	}
	if err := into.Set("a", &graph.Tensor{Dims: []int{2}, Data: []float32{99, 99}}); err != nil {
		t.Fatal(err)
	}
	if kept, _ := file.Get("a"); kept.Data[0] == 99 {
		t.Error("what the model was given later reached the file")
	}
}

func TestWriteAndReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	want := params(t, map[string][]int{"a": {2, 3}, "b": {1}})
	if err := weights.Write(path, want, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	got, err := weights.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range want.Names() {
		a, _ := want.Get(name)
		b, ok := got.Get(name)
		if !ok || !slices.Equal(a.Dims, b.Dims) || !slices.Equal(a.Data, b.Data) {
			t.Errorf("%s came back as %v, expected %v", name, b, a)
		}
	}
}

// From 8 to 2 cells, each result is the mean of the two middle cells of four.
func TestResizedTakesTheMiddleOfEveryFour(t *testing.T) {
	p := graph.NewParams()
	if err := p.Set("x.rel_pos_h", &graph.Tensor{Dims: []int{8, 1}, Data: []float32{9, 1, 3, 9, 9, 5, 8, 9}}); err != nil {
		t.Fatal(err)
	}
	out, names, err := weights.Resized(p, []graph.Spec{{Name: "x.rel_pos_h", Dims: []int{2, 1}}})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := out.Get("x.rel_pos_h")
	if !slices.Equal(got.Data, []float32{2, 6.5}) || !slices.Equal(names, []string{"x.rel_pos_h"}) {
		t.Errorf("resized %v to %v, expected [2 6.5]", names, got.Data)
	}
}

func TestResizedMatchesTheReference(t *testing.T) {
	source := golden.Weights(t, "checkpoint-resize", "source.safetensors")
	model := golden.Weights(t, "checkpoint-resize", "init.safetensors")
	want := golden.Weights(t, "checkpoint-resize", "result.safetensors")
	var keys struct {
		Resized []string
		Kept    []string `json:"kept_from_init"`
	}
	golden.JSON(t, &keys, "checkpoint-resize", "keys.json")

	var wanted []graph.Spec
	for _, name := range model.Names() {
		tensor, _ := model.Get(name)
		wanted = append(wanted, graph.Spec{Name: name, Dims: tensor.Dims})
	}
	resized, names, err := weights.Resized(source, wanted)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	slices.Sort(keys.Resized)
	if !slices.Equal(names, keys.Resized) {
		t.Errorf("resized %v, expected %v", names, keys.Resized)
	}
	report, err := weights.Load(model, wanted, resized)
	if err != nil {
		t.Fatal(err)
	}
	kept := slices.Clone(report.Missing)
	for _, m := range report.Mismatched {
		kept = append(kept, m.Name)
	}
	slices.Sort(kept)
	slices.Sort(keys.Kept)
	if !slices.Equal(kept, keys.Kept) {
		t.Errorf("kept %v, expected %v", kept, keys.Kept)
	}
	for _, name := range want.Names() {
		a, _ := want.Get(name)
		b, ok := model.Get(name)
		if !ok || !slices.Equal(a.Dims, b.Dims) {
			t.Errorf("%s is not there in shape %v", name, a.Dims)
			continue
		}
		for i := range a.Data {
			if !(math.Abs(float64(a.Data[i]-b.Data[i])) <= 1e-6) {
				t.Errorf("%s[%d] is %g, expected %g", name, i, b.Data[i], a.Data[i])
				break
			}
		}
	}
}
