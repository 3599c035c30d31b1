package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/lang/builtin"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/types"
	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/metric"
	"github.com/mseg-lang/mseg/ops/train"
)

// internal are the stages that no builtin of that name stands for, each with the reason.
var internal = map[string]string{
	"predict": "evaluate is two stages, so that another metric does not run the model again",
	"select":  "a field of a value: parts.train",
	"index":   "a measure narrowed to a task: id.dice[CT_Liver]",
	"+":       "joins data; adds what is known only after a run",
	"-":       "an operator of expectations", "/": "an operator of expectations", "*": "arithmetic on results",
	"negate": "an operator of expectations",
	"==":     "an operator of expectations", "!=": "an operator of expectations", "<": "an operator of expectations", "<=": "an operator of expectations",
	">": "an operator of expectations", ">=": "an operator of expectations", "and": "an operator of expectations", "or": "an operator of expectations",
}

func TestEveryStageOfTheRegistryIsImplemented(t *testing.T) {
	for _, b := range builtin.All() {
		if b.Stage && !Implements(b.Name) {
			t.Errorf("%s is declared to do work, but the engine has no stage for it", b.Name)
		}
	}
}

func TestEveryStageIsDeclared(t *testing.T) {
	for _, op := range slices.Sorted(maps.Keys(stages)) {
		declared := len(builtin.Lookup(op)) > 0
		if _, known := internal[op]; declared == known {
			t.Errorf("stage %s: declared in the registry %v, listed as internal %v; exactly one must hold", op, declared, known)
		}
		st := stages[op]
		if (st.run == nil) != (st.load == nil) || (st.run == nil) == (st.value == nil) {
			t.Errorf("stage %s must have either value, or run and load", op)
		}
		if st.run != nil && st.version == 0 {
			t.Errorf("stage %s keeps results, so it needs a version", op)
		}
	}
	for op := range internal {
		if !Implements(op) {
			t.Errorf("%s is listed as internal, but there is no such stage", op)
		}
	}
}

// example is the value of a builtin's example.
func example(t *testing.T, b *builtin.Builtin) ir.Value {
	t.Helper()
	if b.Result.IsTensor() {
		f, _, ok := scopeOf(t, b.ExampleScript()).Fn("example")
		if !ok {
			t.Fatalf("mistakes in %s", b.ExampleScript())
		}
		return f.Body
	}
	if len(builtin.Lookup(b.Name)) > 1 { // the place decides which of two is meant
		return checked(t, fmt.Sprintf("mseg 1\nparam x: %s = %s\n", b.Result, b.Example)).Params[0].Value
	}
	return expression(t, b.Frame+"\n"+b.Example)
}

func TestEveryExampleChecks(t *testing.T) {
	for _, b := range builtin.All() {
		t.Run(b.Name+" "+b.Result.String(), func(t *testing.T) {
			v := example(t, b)
			if got := v.Type(); !got.Fits(b.Result) {
				t.Errorf("%s gives %s, declared is %s", b.Example, got, b.Result)
			}
			uses := false
			var visit func(ir.Value)
			visit = func(v ir.Value) {
				if n, ok := v.(*ir.Node); ok {
					uses = uses || n.Op == b.Name
					for _, a := range n.Args {
						visit(a.Value)
					}
				}
				if l, ok := v.(ir.List); ok {
					for _, x := range l.Items {
						visit(x)
					}
				}
			}
			visit(v)
			if !uses && b.Name != "hierarchy" && b.Name != "extend" && b.Name != "unplaced" && !strings.HasSuffix(b.Name, "_is_better") { // these are known before any run
				t.Errorf("%s does not use %s", b.Example, b.Name)
			}
		})
	}
}

// specialWords are decided by the taxonomy and by patterns, not by lists in the registry.
var specialWords = []string{"task", "modality", "placeholder"}

func TestEveryWordSetExists(t *testing.T) {
	var visit func(where string, ty types.Type)
	visit = func(where string, ty types.Type) {
		for _, a := range ty.Alternatives() {
			if a.Elem != nil {
				visit(where, *a.Elem)
			}
			if a.Base != "word" || slices.Contains(specialWords, a.Words) {
				continue
			}
			w, ok := builtin.WordSet(a.Words)
			switch {
			case !ok:
				t.Errorf("%s: there is no set of words %q", where, a.Words)
			case len(w.Items) == 0 || w.Doc == "":
				t.Errorf("%s: the set of words %q has no items or no doc", where, a.Words)
			}
		}
	}
	for _, b := range builtin.All() {
		visit(b.Name, b.Result)
		if b.KeyBase != "" {
			visit(b.Name+" keys", b.KeyType)
		}
		for _, p := range b.Params {
			visit(b.Name+"."+p.Name, p.Type)
			if p.Doc == "" {
				t.Errorf("%s.%s has no doc", b.Name, p.Name)
			}
		}
	}
}

func TestEveryMetricIsMeasured(t *testing.T) {
	for _, b := range builtin.All() {
		if b.Result.Base != "metric" {
			continue
		}
		if strings.HasSuffix(b.Name, "_is_better") { // a metric of the script's own, with a side
			if d := ownDefinition(example(t, b).(*ir.Node)); d.Better == metric.Neutral {
				t.Errorf("%s has no side: %+v", b.Name, d)
			}
			continue
		}
		s, err := metricSpec(example(t, b).(*ir.Node))
		if err != nil || s.Name != b.Name {
			t.Errorf("%s: %v, %v", b.Name, s, err)
		}
		if _, ok := builtin.FieldOf("eval", b.Name); !ok {
			t.Errorf("an eval has no field %s", b.Name)
		}
		for _, p := range b.Params {
			if p.Name != "variant" {
				continue
			}
			w, _ := builtin.WordSet(p.Type.Words)
			def, _ := metric.Define(b.Name)
			for _, variant := range w.Items {
				if !slices.Contains(def.Variants, variant) {
					t.Errorf("%s offers the variant %s, which is measured nowhere (%v)", b.Name, variant, def.Variants)
				}
			}
		}
	}
}

// Every value that only describes is read by some stage. A builtin that the engine does not understand, or one of a new type, fails here.
func TestEveryDescriptionIsUnderstood(t *testing.T) {
	e := newEngine(t, Config{})
	e.Use(checked(t, "mseg 1\n"), "")
	small, err := build(models.Config{Architecture: "tiny", Image: 32}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	small.Groups = []string{models.All}
	alone, err := build(models.Config{Architecture: "unet", Image: 32, NoPrompt: true}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	// in puts a described value into the place that the text leaves for it.
	in := func(text, arg string, n *ir.Node) *ir.Node {
		outer := expression(t, text).(*ir.Node)
		for i := range outer.Args {
			if outer.Args[i].Name == arg {
				outer.Args[i].Value = n
				return outer
			}
		}
		t.Fatalf("%s has no %s", text, arg)
		return nil
	}
	training := func(arg string) func(*ir.Node) error {
		return func(n *ir.Node) error {
			_, err := e.trainConfig(in("sam_tiny(image: 32 px) |> train(phantom() |> prep(resize(32 px)), epochs: 10)", arg, n), small, 100)
			return err
		}
	}
	read := map[string]func(*ir.Node) error{
		"prep": func(n *ir.Node) error {
			p, err := prepOf(n)
			if err == nil && reflect.DeepEqual(p.Prep, data.Prep{}) {
				return errors.New("it changes nothing")
			}
			return err
		},
		"experts": func(n *ir.Node) error { _, _, err := e.expertsOf(n); return err },
		"gate": func(n *ir.Node) error {
			c, _, err := e.expertsOf(in("mixture(4)", "gate", n))
			if err == nil && (n.Op == "top") != (c.Top > 0) {
				return errors.New("it has no effect")
			}
			return err
		},
		"expert": func(n *ir.Node) error {
			_, _, err := e.routeOf(in("route { /torso: expert(), else: shared }", "else", n))
			return err
		},
		"metric": func(n *ir.Node) error {
			if isOwn(n) {
				_, err := newHostFn(n)
				return err
			}
			_, err := metricSpec(n)
			return err
		},
		"loss": func(n *ir.Node) error { return lossHasValues(t, n) },
		"stop": func(n *ir.Node) error {
			x := in("sam_tiny(image: 32 px) |> train(phantom() |> prep(resize(32 px)), validate: phantom(seed: 1) |> prep(resize(32 px)), stop: patience(9 epochs))", "stop", n)
			c, err := e.trainConfig(x, small, 100)
			if err == nil && c.Patience == (train.Patience{}) {
				return errors.New("it has no effect")
			}
			return err
		},
		"sampling": func(n *ir.Node) error {
			p, err := samplingOf(in("sam_tiny(image: 32 px) |> train(phantom() |> prep(resize(32 px)), sampling: patches(0 %))", "sampling", n), alone)
			if err == nil && p.Foreground == 0 {
				return errors.New("it has no effect")
			}
			return err
		},
		"inference": func(n *ir.Node) error {
			s, err := slidingOf(in("sam_tiny(image: 32 px) |> evaluate(phantom() |> prep(resize(32 px)), inference: sliding(overlap: 0 %))", "inference", n), alone)
			if err == nil && *s == (train.Sliding{}) {
				return errors.New("it has no effect")
			}
			return err
		},
		"prompt": func(n *ir.Node) error {
			_, err := promptFor(in("sam_tiny(image: 32 px) |> evaluate(phantom() |> prep(resize(32 px)))", "prompt", n), small)
			return err
		},
		"schedule":  func(n *ir.Node) error { return training("optimizer")(in("adamw(1e-3)", "schedule", n)) },
		"optimizer": training("optimizer"), "keep": training("keep"), "augment": training("augment"),
	}
	constant := []string{"taxonomy", "word"} // computed by the checker: nothing is left of them when a script runs
	for _, b := range builtin.All() {
		if b.Result.IsTensor() || Implements(b.Name) || slices.Contains(constant, b.Result.Base) {
			continue // TestTensorBuiltins sees to the first
		}
		t.Run(b.Name+" "+b.Result.String(), func(t *testing.T) {
			f, ok := read[b.Result.Base]
			if !ok {
				t.Fatalf("the engine reads no values of the type %s", b.Result)
			}
			if err := f(example(t, b).(*ir.Node)); err != nil {
				t.Error(err)
			}
		})
	}
}

// lossHasValues computes a loss on the go backend: two samples of three masks give two finite numbers.
func lossHasValues(t *testing.T, n *ir.Node) error {
	t.Helper()
	b, err := graph.Open("go")
	if err != nil {
		return err
	}
	loss := lossOf(n, nil, 0)
	shapes := []graph.Shape{{Dims: []int{2, 3, 4, 4}}, {Dims: []int{2, 3}}, {Dims: []int{2, 4, 4}}}
	p, err := graph.NewProgram(b, graph.ProgramConfig{Name: "loss"}, shapes, func(s *graph.Scope, in []*graph.Node) []*graph.Node {
		return []*graph.Node{loss(s, graph.Outputs{Masks: in[0], IoU: in[1]}, train.Target{Masks: in[2], Weights: gx.OnesLike(gx.Reshape(gx.Slice(in[1], gx.AxisRange(), gx.AxisElem(0)), -1))})}
	})
	if err != nil {
		return err
	}
	none, err := graph.Initialise(nil, 0)
	if err != nil {
		return err
	}
	logits, target := make([]float32, 96), make([]float32, 32)
	for i := range logits {
		logits[i] = float32(i%7) - 3
	}
	for i := range target {
		target[i] = float32(i % 2)
	}
	r, err := p.Call(t.Context(), b.Place(none), 0, graph.Floats(logits, 2, 3, 4, 4), graph.Floats(make([]float32, 6), 2, 3), graph.Floats(target, 2, 4, 4))
	if err != nil {
		return err
	}
	out := r.Outputs[0]
	if len(out.Data) != 2 {
		return fmt.Errorf("2 samples have %d values", len(out.Data))
	}
	for _, v := range out.Data {
		if !(v > 0) || v > 100 {
			return fmt.Errorf("the loss is %g", v)
		}
	}
	return nil
}

// Every field that the checker accepts has a value at run time.
func TestEveryFieldHasAValue(t *testing.T) {
	register("value under test", stage{value: func(_ context.Context, e *Engine, n *ir.Node) (any, error) { return e.values["under test"], nil }})
	defer delete(stages, "value under test")
	scores := &Scores{Level: 0.95, Rows: []ScoreRow{{}}}
	for _, b := range builtin.All() {
		if b.Result.Base == "metric" {
			scores.Specs, scores.Metrics = append(scores.Specs, metric.Spec{Name: b.Name}), append(scores.Metrics, b.Name)
			x := 0.5
			scores.Rows[0].Values = append(scores.Rows[0].Values, &x)
		}
	}
	built, err := build(models.Config{Architecture: "tiny", Image: 32}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	built.Groups = []string{models.All}
	values := map[string]any{
		"data": &Data{}, "split": &Split{Parts: map[string]*Data{"train": {}, "val": {}, "test": {}}}, "model": built, "eval": scores,
		"measure": &Measure{Values: []float64{1, 2}, Level: 0.95},
	}
	for _, kind := range append(slices.Clone(types.Kinds), "measure") {
		for _, f := range builtin.FieldsOf(kind) {
			t.Run(kind+"."+f.Name, func(t *testing.T) {
				if kind == "taxonomy" {
					t.Skip("known before any run")
				}
				v := values[kind]
				if kind == "compare" {
					v = &Comparison{Field: f.Name, Metric: f.Name, Level: 0.95, Pairs: []Difference{{Values: []*float64{new(float64)}}}}
				}
				e := newEngine(t, Config{})
				e.Use(&ir.Program{Name: "x"}, "")
				e.values["under test"] = v
				of := &ir.Node{Op: "value under test"}
				got, err := selectValue(t.Context(), e, &ir.Node{Op: "select", T: f.Type, Args: []ir.Arg{{Name: "of", Value: of}, {Name: "field", Value: ir.Str{S: f.Name}}}})
				if err != nil {
					t.Fatal(err)
				}
				ok := false
				switch f.Type.Base {
				case "number":
					_, ok = got.(float64)
				case "measure":
					_, ok = got.(*Measure)
				case "data":
					_, ok = got.(*Data)
				case "figure":
					_, ok = got.(*Figure)
				}
				if !ok {
					t.Errorf("%s.%s is declared %s, the engine gives %T", kind, f.Name, f.Type, got)
				}
			})
		}
	}
}
