package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mseg-lang/mseg/ops/image"
	"github.com/mseg-lang/mseg/ops/tensorfile"
)

// gen makes test data for the scripts:
//
//	gen image FILE [size=X,Y,Z] [spacing=…] [shift=MM] [nan=1]   a bright ball in noise, float32 (uint8 for .png)
//	gen mask FILE [size=…] [spacing=…] [shift=MM] [label=N]      the ball
//	gen cases DIR NAME …                                         NAME_image.nrrd and NAME_label.nrrd for every name
//	gen box FILE lo=X,Y[,Z] hi=X,Y[,Z] [size=…] [spacing=…]      a mask of lo ≤ voxel < hi
//	gen npz FILE NAME=DIM,DIM,…:VALUE,VALUE,… …                 arrays of numbers; too few values are repeated
//	gen weights FILE                                             two tensors of no known network
//	gen evil FILE                                                a pickle that makes the file PWNED if it is executed
//	gen many FILE                                                a script with hundreds of mistakes
//	gen cut FILE                                                 drop the second half
//	gen spoil FILE                                               change one byte in the middle
func gen() {
	if err := generate(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: gen WHAT FILE …")
	}
	what, path, rest := args[0], args[1], args[2:]
	folder := filepath.Dir(path)
	if what == "cases" {
		folder = path
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	switch what {
	case "cases":
		for i, name := range rest {
			o := genOptions{size: []float64{24, 24, 3}, spacing: []float64{1, 1, 2}, seed: i}
			if err := errors.Join(o.image(filepath.Join(path, name+"_image.nrrd")), o.mask(filepath.Join(path, name+"_label.nrrd"))); err != nil {
				return err
			}
		}
		return nil
	case "npz":
		return genArrays(path, rest)
	case "weights":
		return tensorfile.Write(path, []string{"head.weight", "head.bias"}, func(name string) ([]int, []float32) {
			if name == "head.bias" {
				return []int{2}, []float32{1, 2}
			}
			return []int{2, 3}, []float32{1, 2, 3, 4, 5, 6}
		}, nil)
	case "evil":
		return os.WriteFile(path, []byte("\x80\x02cos\nsystem\nX\x0b\x00\x00\x00touch PWNED\x85R."), 0o644)
	case "many":
		return os.WriteFile(path, []byte("mseg 1\n"+strings.Repeat("model m = nothing\n", 150)), 0o644)
	case "cut", "spoil":
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if what == "cut" {
			return os.Truncate(path, int64(len(b)/2))
		}
		b[len(b)/2] ^= 0x55
		return os.WriteFile(path, b, 0o644)
	}
	o, err := genArgs(rest)
	if err != nil {
		return err
	}
	switch what {
	case "image":
		return o.image(path)
	case "mask":
		return o.mask(path)
	case "box":
		return o.box(path)
	}
	return fmt.Errorf("%s is nothing that can be made", what)
}

type genOptions struct {
	size, spacing, lo, hi []float64
	shift                 float64
	label, seed           int
	nan                   bool
}

func genArgs(args []string) (o genOptions, err error) {
	o = genOptions{size: []float64{24, 24, 3}, label: 1}
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		var xs []float64
		for _, s := range strings.Split(value, ",") {
			x, err := strconv.ParseFloat(s, 64)
			if err != nil {
				return o, err
			}
			xs = append(xs, x)
		}
		switch key {
		case "size":
			o.size = xs
		case "spacing":
			o.spacing = xs
		case "lo":
			o.lo = xs
		case "hi":
			o.hi = xs
		case "shift":
			o.shift = xs[0]
		case "label":
			o.label = int(xs[0])
		case "seed":
			o.seed = int(xs[0])
		case "nan":
			o.nan = true
		default:
			return o, fmt.Errorf("unknown option %s", a)
		}
	}
	return o, nil
}

// each calls f with every voxel, the first axis fastest.
func (o genOptions) each(f func(i int, at [3]float64)) (shape []int, n int) {
	n = 1
	for _, s := range o.size {
		shape = append(shape, int(s))
		n *= int(s)
	}
	for i := range n {
		var at [3]float64
		for rest, a := i, 0; a < len(shape); a++ {
			at[a] = float64(rest % shape[a])
			rest /= shape[a]
		}
		f(i, at)
	}
	return shape, n
}

// inside is a ball whose place depends on the seed.
func (o genOptions) inside(at [3]float64) bool {
	r := 0.0
	for a, s := range o.size[:2] {
		d := (at[a] - s/2 - float64(o.seed%3)) / (s / 4)
		r += d * d
	}
	return r < 1
}

func (o genOptions) placed(m *image.Image) *image.Image {
	if o.spacing == nil {
		return m
	}
	affine := [4][4]float64{3: {3: 1}}
	for a := range 3 {
		affine[a][a] = 1
		if a < len(o.spacing) {
			affine[a][a] = o.spacing[a]
		}
	}
	affine[0][3] = o.shift
	return m.WithAffine(affine)
}

func (o genOptions) image(path string) error {
	total := 1
	for _, s := range o.size {
		total *= int(s)
	}
	v := make([]float32, total)
	shape, n := o.each(func(i int, at [3]float64) {
		v[i] = float32(20 + (i*7919+o.seed*31)%17)
		if o.inside(at) {
			v[i] += 100
		}
	})
	if o.nan {
		v[n/2] = float32(math.NaN())
	}
	if filepath.Ext(path) == ".png" {
		b := make([]uint8, n)
		for i := range v {
			b[i] = uint8(v[i])
		}
		return image.Write(path, image.FromSlice(shape, b))
	}
	return image.Write(path, o.placed(image.FromSlice(shape, v)))
}

func (o genOptions) mask(path string) error {
	if o.label == 0 {
		o.label = 1
	}
	return o.draw(path, o.inside, uint8(o.label))
}

func (o genOptions) box(path string) error {
	return o.draw(path, func(at [3]float64) bool {
		for a := range o.size {
			if at[a] < o.lo[a] || at[a] >= o.hi[a] {
				return false
			}
		}
		return true
	}, 1)
}

func (o genOptions) draw(path string, inside func([3]float64) bool, label uint8) error {
	total := 1
	for _, s := range o.size {
		total *= int(s)
	}
	v := make([]uint8, total)
	shape, _ := o.each(func(i int, at [3]float64) {
		if inside(at) {
			v[i] = label
		}
	})
	return image.Write(path, o.placed(image.FromSlice(shape, v)))
}

func genArrays(path string, args []string) error {
	arrays := map[string]*image.Array{}
	for _, a := range args {
		name, rest, ok := strings.Cut(a, "=")
		dims, values, ok2 := strings.Cut(rest, ":")
		if !ok || !ok2 {
			return fmt.Errorf("%q is no NAME=DIM,…:VALUE,…", a)
		}
		n, shape := 1, []int{}
		for d := range strings.SplitSeq(dims, ",") {
			k, err := strconv.Atoi(d)
			if err != nil {
				return err
			}
			n, shape = n*k, append(shape, k)
		}
		fill := strings.Split(values, ",")
		data := make([]float32, n)
		for i := range data {
			v, err := strconv.ParseFloat(fill[i%len(fill)], 32)
			if err != nil {
				return err
			}
			data[i] = float32(v)
		}
		arrays[name] = image.NewArray(data, shape...)
	}
	return image.WriteNPZ(path, arrays)
}
