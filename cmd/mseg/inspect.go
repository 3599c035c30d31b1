package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"

	"github.com/mseg-lang/mseg/models/weights"
	"github.com/mseg-lang/mseg/ops/image"
)

type inspectCmd struct {
	File string `arg:"" help:"Image (NIfTI, NRRD, MetaImage, npy, npz, PNG) or weights (safetensors, .pth)." placeholder:"FILE"`
	JSON bool   `help:"Write JSON."`
}

// imageInfo is the JSON form of an image.
type imageInfo struct {
	Format      string         `json:"format"`
	Shape       []int          `json:"shape"`
	DType       string         `json:"dtype"`
	Channels    int            `json:"channels"`
	Spacing     []float64      `json:"spacing"`
	Affine      [4][4]float64  `json:"affine"`
	Orientation string         `json:"orientation"`
	Min         *float64       `json:"min"`
	Max         *float64       `json:"max"`
	Mean        *float64       `json:"mean"`
	Sum         json.Number    `json:"sum"`
	NaN         int            `json:"nan"`
	Inf         int            `json:"inf"`
	Labels      map[string]int `json:"labels,omitempty"` // voxels of each value, where there are few and all are whole
	Warnings    []string       `json:"warnings,omitempty"`
}

type tensorInfo struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
}

func (c inspectCmd) Run() error {
	switch st, err := os.Stat(c.File); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s", c.File)
	case err == nil && st.IsDir():
		return fmt.Errorf("%s is a folder; name an image or a file of weights in it", c.File)
	}
	switch weights.Extension(c.File) {
	case ".safetensors", ".pth":
		return weightsInspectCmd(c).Run()
	}
	if strings.HasSuffix(strings.ToLower(c.File), ".npz") {
		return c.archive()
	}
	m, shape, dtype, err := c.image()
	if err != nil {
		return err
	}
	st := m.Stats()
	info := imageInfo{Format: m.Format, Shape: shape, DType: dtype.Name(), Channels: m.Channels, Affine: m.Affine, Orientation: m.Axcodes(),
		Min: number(st.Min), Max: number(st.Max), Mean: number(st.Mean), NaN: st.NaN, Inf: st.Inf, Warnings: m.Warnings}
	sp := m.Spacing()
	info.Spacing = sp[:min(len(shape), 3)]
	switch {
	case st.IntegerSum != nil:
		info.Sum = json.Number(st.IntegerSum.String())
	case !math.IsNaN(st.Sum) && !math.IsInf(st.Sum, 0):
		info.Sum = json.Number(fmt.Sprintf("%.17g", st.Sum))
	default:
		info.Sum = "0"
	}
	info.Labels = labelCounts(m)
	if c.JSON {
		return writeJSON(info)
	}
	fmt.Printf("%s, %s, shape %s", info.Format, info.DType, joinInts(info.Shape, "×"))
	if info.Channels > 1 {
		fmt.Printf(", %d channels", info.Channels)
	}
	fmt.Println()
	if m.HasSpacing {
		fmt.Printf("spacing      %s mm\n", joinFloats(info.Spacing, " × "))
	} else {
		fmt.Println("spacing      not known")
	}
	if m.HasGeometry {
		fmt.Printf("orientation  %s\n", info.Orientation)
		for i, r := range m.Affine {
			head := "affine      "
			if i > 0 {
				head = "            "
			}
			fmt.Printf("%s %10.4f %10.4f %10.4f %10.4f\n", head, r[0], r[1], r[2], r[3])
		}
	}
	fmt.Printf("values       %g … %g, mean %.6g, sum %s\n", st.Min, st.Max, st.Mean, info.Sum)
	if st.NaN+st.Inf > 0 {
		fmt.Printf("             %d NaN, %d infinite\n", st.NaN, st.Inf)
	}
	for _, k := range sortedLabels(info.Labels) {
		fmt.Printf("label %-6s %d voxels\n", k, info.Labels[k])
	}
	for _, w := range info.Warnings {
		fmt.Printf("warning      %s\n", w)
	}
	return nil
}

// image reads the file, and the shape and type to show: those of the image, first axis fastest, but those of the array, as numpy lists
// them, for npy. An array that is no image (a number, a row) is shown as well.
func (c inspectCmd) image() (*image.Image, []int, image.DType, error) {
	m, err := image.Read(c.File)
	if image.Extension(c.File) != ".npy" {
		if err != nil {
			return nil, nil, "", err
		}
		return m, m.Shape, m.DType, nil
	}
	a, arrayErr := image.ReadNPY(c.File)
	switch {
	case arrayErr != nil:
		return nil, nil, "", arrayErr
	case err != nil && a.Len() == 0:
		return nil, nil, "", err
	case err != nil:
		m = image.FromSlice([]int{a.Len()}, a.Float64())
		m.Format = "npy"
	}
	return m, append([]int{}, a.Shape...), a.DType, nil
}

func number(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

func (c inspectCmd) archive() error {
	arrays, err := image.ReadNPZ(c.File)
	if err != nil {
		return err
	}
	var out []tensorInfo
	for _, n := range sortedLabels(arrays) {
		out = append(out, tensorInfo{n, arrays[n].DType.Name(), append([]int{}, arrays[n].Shape...)})
	}
	if c.JSON {
		return writeJSON(map[string]any{"format": "npz", "tensors": append([]tensorInfo{}, out...)})
	}
	for _, t := range out {
		fmt.Printf("%-8s %-20s %s\n", t.DType, joinInts(t.Shape, "×"), t.Name)
	}
	return nil
}

func writeJSON(v any) error {
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func joinInts(xs []int, sep string) string {
	var out []string
	for _, x := range xs {
		out = append(out, fmt.Sprint(x))
	}
	return strings.Join(out, sep)
}

func joinFloats(xs []float64, sep string) string {
	var out []string
	for _, x := range xs {
		out = append(out, fmt.Sprintf("%.6g", x))
	}
	return strings.Join(out, sep)
}
