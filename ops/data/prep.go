package data

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/mseg-lang/mseg/ops/image"
)

// Prep is what happens to a case before a model sees it. The steps run in the order of the fields, whatever order a script
// lists them in: intensities on the whole volume, then crop, slices, focus, resize, channels. Only the user's own steps know whether they stand before
// or behind resize. It is part of the model: the same Prep must be used for training and prediction, and every prepared file carries it.
type Prep struct {
	Window     *Window     `json:"window,omitempty"`
	Percentile *Percentile `json:"percentile,omitempty"`
	Crop       *Crop       `json:"crop,omitempty"`
	Slices     *Slices     `json:"slices,omitempty"`
	Focus      *Focus      `json:"focus,omitempty"`
	Before     []Own       `json:"own_before_resize,omitempty"`
	Resize     *Resize     `json:"resize,omitempty"`
	After      []Own       `json:"own_after_resize,omitempty"`
	// Channels of the output, 1 or 3; 0 keeps what the image has. Grey becomes three equal channels; colour becomes one only
	// where its three channels are equal.
	Channels int `json:"channels,omitempty"`
}

// Window maps Lo … Hi (HU for CT) linearly to 0 … 255 and clips outside.
type Window struct {
	Lo float64 `json:"lo"`
	Hi float64 `json:"hi"`
}

// Percentile is a window whose bounds are percentiles (0 to 100) of the whole case, interpolated linearly between ranks.
type Percentile struct {
	Lo float64 `json:"lo"`
	Hi float64 `json:"hi"`
	// Nonzero leaves voxels of value 0 out of the ranking, the background that MR scanners write.
	Nonzero bool `json:"nonzero,omitempty"`
}

// Crop cuts the slice plane to the bounding box of all labels of the case, over all slices, and a margin around it. It
// looks at the reference mask, so results obtained with it assume a user who marks the region.
type Crop struct {
	Margin float64 `json:"margin_mm"` // mm, or pixels where the spacing is unknown
}

// Slices cuts a volume into slices. Without it a case must be a single slice already.
type Slices struct {
	// Axis is axial, coronal or sagittal, found from the orientation in the header, not from the order of the axes; or
	// stored, the third axis as it is, for volumes without orientation. Axial slices have the patient's front at the top and
	// the right side on the left; coronal ones the head at the top, right side on the left; sagittal ones the head at the
	// top, the front on the left. Stored ones have the first axis to the right, the second down.
	Axis string `json:"axis"`
	// MinArea drops masks with fewer pixels, counted on the slice before resizing. At least 1 unless All.
	MinArea int `json:"min_area_px,omitempty"`
	// All keeps every slice: each gives one sample per task, whose mask may be empty.
	All bool `json:"all,omitempty"`
}

// Resize brings slices to Size×Size pixels and keeps their aspect: the longer side becomes Size, the rest is filled with 0
// at the right or the bottom. Images are interpolated linearly, with a filter as wide as the step when they shrink (so that
// nothing is skipped); masks take the nearest pixel.
type Resize struct {
	Size int `json:"size_px"`
}

// Check refuses parameters that cannot work.
func (p Prep) Check() error {
	if p.Window != nil && p.Percentile != nil {
		return errors.New("window and percentile both set the intensities; choose one")
	}
	if w := p.Window; w != nil && !(w.Lo < w.Hi) {
		return fmt.Errorf("window %g .. %g is empty; the lower bound comes first", w.Lo, w.Hi)
	}
	if q := p.Percentile; q != nil && !(0 <= q.Lo && q.Lo < q.Hi && q.Hi <= 100) {
		return fmt.Errorf("percentile %g %% .. %g %% is not a range within 0 %% .. 100 %%", q.Lo, q.Hi)
	}
	if c := p.Crop; c != nil && !(c.Margin >= 0) {
		return fmt.Errorf("crop margin %g is negative", c.Margin)
	}
	if s := p.Slices; s != nil {
		if !slices.Contains([]string{"axial", "coronal", "sagittal", "stored"}, s.Axis) {
			return fmt.Errorf("slice axis %q; axial, coronal, sagittal or stored is possible", s.Axis)
		}
		if s.MinArea < 0 {
			return fmt.Errorf("minimum area %d px is negative", s.MinArea)
		}
	}
	if f := p.Focus; f != nil && !(f.Factor >= 1 && f.Least >= 1) {
		return fmt.Errorf("focus factor %g and smallest side %d px; both must be at least 1", f.Factor, f.Least)
	}
	if r := p.Resize; r != nil && (r.Size < 1 || r.Size > 1<<14) {
		return fmt.Errorf("resize to %d px; 1 to %d is possible", r.Size, 1<<14)
	}
	if p.Channels != 0 && p.Channels != 1 && p.Channels != 3 {
		return fmt.Errorf("%d channels; 1 or 3 is possible", p.Channels)
	}
	return nil
}

// Report counts what preparation left out.
type Report struct {
	Cases, Samples int
	SmallMasks     int // slice masks below MinArea
	LostMasks      int // slice masks of which resizing left no pixel
	EmptyCases     int // cases that gave no sample
}

func (r *Report) add(o Report) {
	r.Cases += o.Cases
	r.Samples += o.Samples
	r.SmallMasks += o.SmallMasks
	r.LostMasks += o.LostMasks
	r.EmptyCases += o.EmptyCases
}

// Prepare prepares cases in turn. progress, which may be nil, is told the number of finished cases.
func Prepare(ctx context.Context, cases []Case, p Prep, progress func(done, total int)) ([]Sample, Report, error) {
	var samples []Sample
	var report Report
	for i, c := range cases {
		if err := ctx.Err(); err != nil {
			return nil, report, err
		}
		s, r, err := PrepareCase(c, p)
		if err != nil {
			return nil, report, err
		}
		samples = append(samples, s...)
		report.add(r)
		if progress != nil {
			progress(i+1, len(cases))
		}
	}
	return samples, report, nil
}

// PrepareCase reads, checks and prepares one case. It gives one sample for each slice and task of the label table whose
// mask is large enough, ordered by slice, then by label value; values with the same task are one structure. A case without
// a mask gives one sample for each slice, with Mask nil. Samples of one slice share the memory of its image.
func PrepareCase(c Case, p Prep) ([]Sample, Report, error) {
	fail := func(err error) ([]Sample, Report, error) {
		return nil, Report{}, fmt.Errorf("case %s: %w", c.ID, err)
	}
	if err := p.Check(); err != nil {
		return fail(err)
	}
	img, labels, err := load(c)
	if err != nil {
		return fail(err)
	}
	samples, report, err := prepare(c, img, labels, p)
	if err != nil {
		return fail(fmt.Errorf("%s: %w", c.ImagePath, err))
	}
	return samples, report, nil
}

func prepare(c Case, img *image.Image, labels []int32, p Prep) ([]Sample, Report, error) {
	lo, hi, err := p.bounds(img)
	if err != nil {
		return nil, Report{}, err
	}
	view, err := p.planes(img)
	if err != nil {
		return nil, Report{}, err
	}
	region := view.whole()
	if p.Crop != nil {
		if labels == nil {
			return nil, Report{}, errors.New("crop needs the mask of the case, and there is none")
		}
		region = view.boundingBox(labels, c.Labels, p.Crop.Margin)
	}
	report := Report{Cases: 1}
	var samples []Sample
	for k := range view.count {
		var masks []taskMask
		if labels != nil {
			masks = taskMasks(c, view.labelPlane(labels, k, region), p, &report)
			if len(masks) == 0 {
				continue
			}
		} else {
			masks = []taskMask{{}}
		}
		base, err := view.sample(c, k, region, lo, hi, p)
		if err != nil {
			return nil, Report{}, err
		}
		for _, m := range masks {
			s, part := base, region
			if p.Focus != nil && m.area > 0 {
				part = p.Focus.square(m.pixels, region, fmt.Sprintf("%s %d %s", c.Key(), k, m.task))
				if s, err = view.sample(c, k, part, lo, hi, p); err != nil {
					return nil, Report{}, err
				}
				m.pixels = cut(m.pixels, region, part)
			}
			s.Task, s.Label = m.task, m.label
			if labels != nil {
				s.Mask = resizeNearest(m.pixels, part.w(), part.h(), s.Place.Width, s.Place.Height, s.Width, s.Height)
				if m.area > 0 && !slices.Contains(s.Mask, 1) {
					report.LostMasks++
					if p.Slices == nil || !p.Slices.All {
						continue
					}
				}
			}
			samples = append(samples, s)
		}
	}
	if report.Samples = len(samples); len(samples) == 0 {
		report.EmptyCases = 1
	}
	return samples, report, nil
}

type taskMask struct {
	task   string
	label  int
	pixels []uint8
	area   int
}

// taskMasks splits a plane of labels into binary masks, one for each task that is large enough.
func taskMasks(c Case, plane []int32, p Prep, report *Report) []taskMask {
	minArea, all := 1, false
	if p.Slices != nil {
		minArea, all = max(1, p.Slices.MinArea), p.Slices.All
	}
	var out []taskMask
	var done []string
	for _, v := range c.labelValues() {
		task := c.Labels[v]
		if task == "" || v == 0 || slices.Contains(done, task) {
			continue
		}
		done = append(done, task)
		m := taskMask{task: task, label: v, pixels: make([]uint8, len(plane))}
		same := map[int32]bool{}
		for w, t := range c.Labels {
			if t == task {
				same[int32(w)] = true
			}
		}
		for i, l := range plane {
			if l != 0 && (int(l) == v || same[l]) {
				m.pixels[i] = 1
				m.area++
			}
		}
		if m.area > 0 && m.area < minArea {
			report.SmallMasks++
		}
		if m.area >= minArea || all {
			out = append(out, m)
		}
	}
	return out
}

// bounds finds the values that become 0 and 255.
func (p Prep) bounds(img *image.Image) (lo, hi float64, err error) {
	switch {
	case p.Window != nil:
		return p.Window.Lo, p.Window.Hi, nil
	case p.Percentile != nil:
		lo, hi, ok := percentiles(img, *p.Percentile)
		if !ok {
			return 0, 0, errors.New("the image has no value other than 0; there is nothing to rank")
		}
		if lo == hi {
			return 0, 0, fmt.Errorf("percentiles %g %% and %g %% are both %g: the image is constant there, widen the range", p.Percentile.Lo, p.Percentile.Hi, lo)
		}
		return lo, hi, nil
	}
	if img.DType == image.Uint8 && img.Slope == 1 && img.Inter == 0 {
		return 0, 255, nil
	}
	st := img.Stats()
	return 0, 0, fmt.Errorf("values from %g to %g of type %s cannot go on as they are; declare a window or percentiles", st.Min, st.Max, img.DType.Name())
}

// percentiles ranks all values of a case.
func percentiles(img *image.Image, q Percentile) (lo, hi float64, ok bool) {
	values := img.Float32()
	if q.Nonzero {
		values = slices.DeleteFunc(values, func(v float32) bool { return v == 0 })
	}
	if len(values) == 0 {
		return 0, 0, false
	}
	slices.Sort(values)
	at := func(percent float64) float64 {
		r := percent / 100 * float64(len(values)-1)
		i := int(r)
		v := float64(values[i])
		if f := r - float64(i); f > 0 {
			v += f * (float64(values[i+1]) - v)
		}
		return v
	}
	return at(q.Lo), at(q.Hi), true
}

// toByte maps lo … hi to 0 … 255, rounding to nearest.
func toByte(v, lo, hi float64) float32 {
	return float32(math.Round(255 * min(1, max(0, (v-lo)/(hi-lo)))))
}
