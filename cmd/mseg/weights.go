package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/models/weights"
	"github.com/mseg-lang/mseg/ops/graph"
)

type weightsCmd struct {
	Inspect weightsInspectCmd `cmd:"" help:"List the tensors of a file and say what network they belong to. Nothing in the file is executed."`
	Convert weightsConvertCmd `cmd:"" help:"Write the weights of a file in another format, or put a checkpoint of the trained part on top of its base."`
	Diff    weightsDiffCmd    `cmd:"" help:"Compare two files of weights. Exit 0: equal, 1: they differ."`
}

type weightsInspectCmd struct {
	File string `arg:"" help:"Weights: safetensors, .pth of torch.save, npz." placeholder:"FILE"`
	JSON bool   `help:"Write JSON."`
}

// weightsReport is the JSON form of a file of weights.
type weightsReport struct {
	Format   string            `json:"format"`
	Part     string            `json:"part,omitempty"` // of a checkpoint: what the network is under
	Network  weights.Family    `json:"network"`
	Summary  string            `json:"summary"`
	Tensors  []tensorInfo      `json:"tensors"`
	Values   int               `json:"values"`
	Metadata map[string]string `json:"metadata"`
	Other    map[string]any    `json:"other,omitempty"`
}

func (c weightsInspectCmd) Run() error {
	f, err := weights.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	r := weightsReport{Format: f.Format, Part: f.Part, Network: f.Family(), Tensors: []tensorInfo{}, Metadata: map[string]string{}, Other: map[string]any{}}
	r.Summary = r.Network.String()
	maps.Copy(r.Metadata, f.Metadata)
	for name, v := range f.Other {
		r.Other[name] = jsonValue(v)
	}
	for _, t := range f.Tensors {
		r.Tensors = append(r.Tensors, tensorInfo{t.Name, t.DType, append([]int{}, t.Dims...)})
		r.Values += values(t.Dims)
	}
	if c.JSON {
		return writeJSON(r)
	}
	for _, t := range r.Tensors {
		fmt.Printf("%-8s %-20s %s\n", t.DType, joinInts(t.Shape, "×"), t.Name)
	}
	for _, k := range slices.Sorted(maps.Keys(r.Metadata)) {
		fmt.Printf("%s: %s\n", k, r.Metadata[k])
	}
	fmt.Printf("%s, %s, %s\n", diag.Counted(len(r.Tensors), "tensor"), diag.Counted(r.Values, "value"), r.Format)
	if f.Part != "" {
		n := 0
		for _, t := range f.State() {
			n += values(t.Dims)
		}
		fmt.Printf("the network is under %s: %s, %s", f.Part, diag.Counted(len(f.State()), "tensor"), diag.Counted(n, "value"))
		beside := f.Beside()
		for _, k := range slices.Sorted(maps.Keys(beside)) {
			fmt.Printf("; %s: %s", k, diag.Counted(beside[k], "tensor"))
		}
		fmt.Println()
	}
	fmt.Println(r.Summary)
	return nil
}

func values(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// jsonValue makes numbers without a form in JSON text, and bytes a count.
func jsonValue(v any) any {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
	case []byte:
		return fmt.Sprintf("%d bytes", len(v))
	}
	return v
}

type weightsConvertCmd struct {
	In   string `arg:"" help:"Weights to read; of a checkpoint the network, without the optimiser." placeholder:"IN"`
	Out  string `arg:"" help:"File to write: .safetensors, .pth (torch loads it) or .npz." placeholder:"OUT"`
	Base string `help:"Weights of the whole network that IN, which holds the trained part alone, was trained from." placeholder:"FILE"`
}

func (c weightsConvertCmd) Run() error {
	if weights.Extension(c.Out) == "" {
		return fmt.Errorf("cannot tell from the name %s in which format to write weights; use .safetensors, .pth or .npz", c.Out)
	}
	f, err := weights.Open(c.In)
	if err != nil {
		return err
	}
	defer f.Close()
	params, err := f.Params()
	if err != nil {
		return err
	}
	params = weights.Names(params)
	widened := map[string]int{}
	for _, t := range f.State() {
		if d := strings.ToLower(t.DType); d != "f32" && d != "float32" {
			widened[t.DType]++
		}
	}
	laid := ""
	if c.Base != "" {
		base, err := weights.Read(c.Base)
		if err != nil {
			return err
		}
		laid = fmt.Sprintf("on top of %s, which is %s, lies %s", c.Base, weights.FamilyOf(base), weights.FamilyOf(params))
		if params, err = weights.Overlay(base, params); err != nil {
			return fmt.Errorf("%s on top of %s: %w", c.In, c.Base, err)
		}
	}
	if err := weights.Write(c.Out, params, f.Metadata); err != nil {
		return err
	}
	fmt.Printf("%s: %s, %s\n", c.Out, diag.Counted(params.Len(), "tensor"), diag.Counted(params.Count(), "value"))
	if laid != "" {
		fmt.Printf("%s\ntogether they are %s\n", laid, weights.FamilyOf(params))
	}
	for _, d := range slices.Sorted(maps.Keys(widened)) {
		fmt.Printf("now float32: %s of type %s\n", diag.Counted(widened[d], "tensor"), d)
	}
	if f.Part != "" {
		fmt.Printf("taken from %s of %s", f.Part, c.In)
		beside := f.Beside()
		for _, k := range slices.Sorted(maps.Keys(beside)) {
			fmt.Printf("; left out: %s with %s", k, diag.Counted(beside[k], "tensor"))
		}
		fmt.Println()
	}
	if len(f.Metadata) > 0 && weights.Extension(c.Out) != ".safetensors" {
		fmt.Printf("left out: %d texts of metadata, which only safetensors holds\n", len(f.Metadata))
	}
	return nil
}

type weightsDiffCmd struct {
	A         string  `arg:"" help:"Weights." placeholder:"A"`
	B         string  `arg:"" help:"Weights to compare them with." placeholder:"B"`
	Tolerance float64 `help:"Values differ if they are further apart than this." default:"0"`
	JSON      bool    `help:"Write JSON."`
}

// weightsDiff is the JSON form of a comparison.
type weightsDiff struct {
	Equal      bool         `json:"equal"`
	Same       int          `json:"same"`
	OnlyA      []string     `json:"only_a"`
	OnlyB      []string     `json:"only_b"`
	Mismatched []shapesDiff `json:"shapes"`
	Values     []valuesDiff `json:"values"`
}

type shapesDiff struct {
	Name string `json:"name"`
	A    []int  `json:"a"`
	B    []int  `json:"b"`
}

type valuesDiff struct {
	Name      string `json:"name"`
	MaxAbs    any    `json:"max_abs"` // a number, or text where it is infinite
	Different int    `json:"different"`
	Size      int    `json:"size"`
}

func (c weightsDiffCmd) Run() error {
	if !(c.Tolerance >= 0) {
		return fmt.Errorf("the tolerance is %g, expected 0 or more", c.Tolerance)
	}
	var both [2]*graph.Params
	for i, path := range []string{c.A, c.B} {
		var err error
		if both[i], err = weights.Read(path); err != nil {
			return err
		}
	}
	d := weights.Diff(both[0], both[1], c.Tolerance)
	if c.JSON {
		r := weightsDiff{Equal: d.Equal(), Same: d.Same, OnlyA: append([]string{}, d.OnlyA...), OnlyB: append([]string{}, d.OnlyB...),
			Mismatched: []shapesDiff{}, Values: []valuesDiff{}}
		for _, m := range d.Mismatched {
			r.Mismatched = append(r.Mismatched, shapesDiff{m.Name, append([]int{}, m.Found...), append([]int{}, m.Expected...)})
		}
		for _, v := range d.Values {
			r.Values = append(r.Values, valuesDiff{v.Name, jsonValue(v.Max), v.Count, v.Size})
		}
		if err := writeJSON(r); err != nil {
			return err
		}
	} else {
		for _, n := range d.OnlyA {
			fmt.Printf("only in %s: %s\n", c.A, n)
		}
		for _, n := range d.OnlyB {
			fmt.Printf("only in %s: %s\n", c.B, n)
		}
		for _, m := range d.Mismatched {
			fmt.Printf("shape       %s: %s and %s\n", m.Name, shapeText(m.Found), shapeText(m.Expected))
		}
		for _, v := range d.Values {
			fmt.Printf("%-11.4g %s: %d of %d values, largest difference of values up to %.4g\n", v.Max, v.Name, v.Count, v.Size, v.Scale)
		}
		fmt.Printf("%d tensors are the same", d.Same)
		if !d.Equal() {
			fmt.Printf(", %d differ, %d have other shapes, %d are only in %s, %d only in %s", len(d.Values), len(d.Mismatched), len(d.OnlyA), c.A, len(d.OnlyB), c.B)
		}
		fmt.Println()
	}
	if !d.Equal() {
		return exit(1)
	}
	return nil
}

func shapeText(dims []int) string {
	if len(dims) == 0 {
		return "one number"
	}
	return joinInts(dims, "×")
}
