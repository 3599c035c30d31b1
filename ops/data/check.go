package data

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/ops/image"
)

// gridTolerance is how far two grids may lie apart, in voxels, to count as the same: headers are rounded to float32 or to a
// few decimals. Pairs seen in practice differ by up to 2e-4 mm.
const gridTolerance = 0.01

// CheckHeaders compares every image with its mask by reading headers only: formats, shapes, placement, number of volumes.
// It returns one error for each case that has a fault, in the order of the cases, nil when all is well.
func CheckHeaders(ctx context.Context, cases []Case) []error {
	var problems []error
	for _, c := range cases {
		if ctx.Err() != nil {
			return append(problems, ctx.Err())
		}
		if err := checkHeader(c); err != nil {
			problems = append(problems, fmt.Errorf("case %s: %w", c.ID, err))
		}
	}
	return problems
}

func checkHeader(c Case) error {
	img, err := image.ReadHeader(c.ImagePath)
	if err != nil {
		return err
	}
	if n := img.Volumes(); n > 1 {
		return fmt.Errorf("%s holds %d volumes (shape %v); one is needed, extract the one to use", c.ImagePath, n, img.Shape)
	}
	if c.MaskPath == "" {
		return nil
	}
	mask, err := image.ReadHeader(c.MaskPath)
	if err != nil {
		return err
	}
	if n := mask.Volumes(); n > 1 || mask.Channels > 1 {
		return fmt.Errorf("mask %s holds %d volumes of %d channels; one label map is needed", c.MaskPath, n, mask.Channels)
	}
	if err := image.SameGrid(img, mask, gridTolerance); err != nil {
		return fmt.Errorf("image %s and mask %s do not match: %w", c.ImagePath, c.MaskPath, err)
	}
	return nil
}

// CheckVoxels reads every image and mask: NaN and infinite values in an image, and mask values that are not whole numbers
// or not in the case's label table are faults. It returns one error for each case that has one.
func CheckVoxels(ctx context.Context, cases []Case) []error {
	var problems []error
	for _, c := range cases {
		if ctx.Err() != nil {
			return append(problems, ctx.Err())
		}
		if _, _, err := load(c); err != nil {
			problems = append(problems, fmt.Errorf("case %s: %w", c.ID, err))
		}
	}
	return problems
}

// load reads and checks one case; labels is nil where there is no mask.
func load(c Case) (img *image.Image, labels []int32, err error) {
	if err := checkHeader(c); err != nil {
		return nil, nil, err
	}
	if img, err = image.Read(c.ImagePath); err != nil {
		return nil, nil, err
	}
	if !img.DType.IsInteger() || math.IsInf(img.Slope, 0) {
		if st := img.Stats(); st.NaN+st.Inf > 0 {
			return nil, nil, fmt.Errorf("image %s holds %d NaN and %d infinite values; fill them before use", c.ImagePath, st.NaN, st.Inf)
		}
	}
	if c.MaskPath == "" {
		return img, nil, nil
	}
	mask, err := image.Read(c.MaskPath)
	if err != nil {
		return nil, nil, err
	}
	if labels, err = mask.Labels(); err != nil {
		return nil, nil, fmt.Errorf("mask %s: %w", c.MaskPath, err)
	}
	return img, labels, checkLabels(c, labels)
}

func checkLabels(c Case, labels []int32) error {
	counts := map[int32]int{}
	var last int32
	run := 0
	for _, v := range labels { // label maps are made of long runs
		if v != last {
			counts[last] += run
			last, run = v, 0
		}
		run++
	}
	counts[last] += run
	var unknown []int32
	for v, n := range counts {
		if _, ok := c.Labels[int(v)]; !ok && v != 0 && n > 0 {
			unknown = append(unknown, v)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	var text []string
	for _, v := range unknown[:min(5, len(unknown))] {
		text = append(text, fmt.Sprintf("%d (%d voxels)", v, counts[v]))
	}
	if len(unknown) > 5 {
		text = append(text, fmt.Sprintf("and %d more", len(unknown)-5))
	}
	hint := "name its task or declare it ignored"
	if len(unknown) == 1 && unknown[0] == 255 {
		hint = "a mask coded 0/255 needs 255 in the table"
	}
	return fmt.Errorf("mask %s holds label %s, which the table does not have (it has %v); %s", c.MaskPath, strings.Join(text, ", "), c.labelValues(), hint)
}
