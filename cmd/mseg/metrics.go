package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mseg-lang/mseg/ops/image"
	"github.com/mseg-lang/mseg/ops/metric"
)

type metricsCmd struct {
	Prediction string  `arg:"" help:"Predicted mask: any readable image." placeholder:"PRED"`
	Reference  string  `arg:"" help:"Reference mask of the same shape." placeholder:"REF"`
	Spacing    string  `help:"Voxel size in mm along the axes of the files (x,y,z; for npy the order of the array). By default that of the reference; 1 where it has none." placeholder:"A,B,C"`
	Label      int     `help:"Compare this label value; without it everything that is not 0." default:"0"`
	Tolerance  float64 `help:"Tolerance of nsd and width of boundary_iou, in mm (in px without spacing)." default:"1"`
	Empty      string  `help:"Rule for empty masks: worst, nan, inf or medsegx." default:"worst"`
	JSON       bool    `help:"Write JSON."`
}

func (c metricsCmd) Run() error {
	pred, err := image.Read(c.Prediction)
	if err != nil {
		return err
	}
	ref, err := image.Read(c.Reference)
	if err != nil {
		return err
	}
	if !slices.Equal(pred.Shape, ref.Shape) {
		return fmt.Errorf("shapes differ: %s is %s, %s is %s", c.Prediction, joinInts(pred.Shape, "×"), c.Reference, joinInts(ref.Shape, "×"))
	}
	if pred.HasGeometry && ref.HasGeometry {
		if err := image.SameGrid(pred, ref, 1e-3); err != nil {
			return fmt.Errorf("%s and %s do not lie in the same place: %w", c.Prediction, c.Reference, err)
		}
	}
	spacing, unit, err := c.spacing(ref)
	if err != nil {
		return err
	}
	a, err := c.mask(c.Prediction, pred, spacing)
	if err != nil {
		return err
	}
	b, err := c.mask(c.Reference, ref, spacing)
	if err != nil {
		return err
	}
	var specs []metric.Spec
	for _, d := range metric.Definitions() {
		if d.Name == "boundary_iou" && c.Tolerance == 0 { // a band has a width
			continue
		}
		s := metric.Spec{Name: d.Name}
		if d.HasUnit {
			s.Unit = unit
		}
		if d.Scaled == "tolerance" {
			s.Tolerance = c.Tolerance
		}
		specs = append(specs, s)
	}
	results, err := metric.Compute(a, b, specs, metric.Empty(c.Empty))
	if err != nil {
		return err
	}
	if c.JSON {
		out := map[string]any{"unit": unit, "spacing": spacing, "tolerance": c.Tolerance, "empty": c.Empty}
		for i, r := range results {
			out[specs[i].Name] = jsonNumber(r.Value)
		}
		return writeJSON(out)
	}
	for i, r := range results {
		note := ""
		if s := r.State.String(); r.State != metric.Measured {
			note = "  (" + s + ")"
		}
		fmt.Printf("%-22s %s%s\n", titled(specs[i], len(a.Shape)), written(r.Value), note)
	}
	return nil
}

// titled is a metric with its unit: that of a volume has the power of the number of axes.
func titled(s metric.Spec, axes int) string {
	text := s.String()
	if d, _ := metric.Define(s.Name); d.Scaled == "volume" && axes > 1 {
		text = strings.TrimSuffix(text, ")") + map[int]string{2: "²", 3: "³"}[axes] + ")"
	}
	return text
}

// written is a value for people: counts whole, the rest with six digits.
func written(x float64) string {
	if x == math.Trunc(x) && math.Abs(x) < 1e15 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 6, 64)
}

// jsonNumber keeps what JSON has no number for as a word.
func jsonNumber(x float64) any {
	switch {
	case math.IsNaN(x):
		return "nan"
	case math.IsInf(x, 1):
		return "inf"
	case math.IsInf(x, -1):
		return "-inf"
	}
	return x
}

// spacing along the axes of the files, first axis first.
func (c metricsCmd) spacing(ref *image.Image) ([]float64, metric.Unit, error) {
	n := len(ref.Shape)
	if c.Spacing != "" {
		parts := strings.Split(c.Spacing, ",")
		if len(parts) != n {
			return nil, "", fmt.Errorf("--spacing has %d numbers, the masks have %d axes", len(parts), n)
		}
		var out []float64
		for _, p := range parts {
			x, err := strconv.ParseFloat(strings.TrimSpace(p), 64)
			if err != nil || !(x > 0) || math.IsInf(x, 0) {
				return nil, "", fmt.Errorf("--spacing %s: %q is no positive number", c.Spacing, p)
			}
			out = append(out, x)
		}
		if isNumpy(c.Reference) { // npy lists its slowest axis first, images their fastest
			slices.Reverse(out)
		}
		return out, metric.Millimetres, nil
	}
	if !ref.HasSpacing {
		return nil, metric.Pixels, nil
	}
	s := ref.Spacing()
	return s[:n], metric.Millimetres, nil
}

func isNumpy(path string) bool {
	e := image.Extension(path)
	return e == ".npy" || e == ".npz"
}

// mask turns an image (x fastest) into a mask in C order: the same memory with its axes named backwards.
func (c metricsCmd) mask(path string, m *image.Image, spacing []float64) (metric.Mask, error) {
	if m.Channels != 1 || len(m.Shape) > 3 {
		return metric.Mask{}, fmt.Errorf("%s is no mask: %d channels, shape %s", path, m.Channels, joinInts(m.Shape, "×"))
	}
	labels, err := m.Labels()
	if err != nil {
		return metric.Mask{}, fmt.Errorf("%s: %w", path, err)
	}
	out := metric.Mask{Data: make([]uint8, len(labels)), Shape: slices.Clone(m.Shape), Spacing: slices.Clone(spacing)}
	for i, l := range labels {
		if c.Label == 0 && l != 0 || c.Label != 0 && int(l) == c.Label {
			out.Data[i] = 1
		}
	}
	slices.Reverse(out.Shape)
	slices.Reverse(out.Spacing)
	return out, nil
}
