package data

import (
	"errors"
	"fmt"
	"math"

	"github.com/mseg-lang/mseg/ops/image"
)

// planes is a volume seen as a stack of slices in display order. Everything is in terms of voxel positions: the pixel
// (u, v) of slice k lies at origin + u*du + v*dv + k*dk in memory.
type planes struct {
	img                *image.Image
	values             []float32 // scaled, channel planes in turn
	axis               int       // voxel axis across the slices, 2 for a single one
	uAxis, vAxis       int
	flipU, flipV       bool
	width, height      int
	count              int
	origin, du, dv, dk int
	spacingU, spacingV float64 // mm, 0 when unknown
	voxels             int     // of one channel
}

// planes chooses the axes of the slices.
func (p Prep) planes(img *image.Image) (*planes, error) {
	nx, ny, nz := img.Size()
	n := [3]int{nx, ny, nz}
	pl := &planes{img: img, axis: 2, uAxis: 0, vAxis: 1, voxels: img.Voxels(), values: img.Float32()}
	axis := "stored"
	if p.Slices != nil {
		axis = p.Slices.Axis
	}
	switch {
	case nz == 1 && !img.HasGeometry:
		// A plain picture is its own slice, whatever axis is asked for.
	case p.Slices == nil && nz > 1:
		return nil, fmt.Errorf("a volume of %d slices; say how to cut it, for example slices(axis: axial)", nz)
	case p.Slices != nil && axis != "stored":
		if !img.HasGeometry {
			return nil, fmt.Errorf("the header gives no orientation, so the %s axis is unknown; slices(axis: stored) takes the third axis as it is", axis)
		}
		across := map[string]int{"sagittal": 0, "coronal": 1, "axial": 2}[axis]
		axes, signs := img.Orientation()
		for j := range 3 {
			if axes[j] == across {
				pl.axis = j
			}
		}
		find := func(patient int) int {
			for j := range 3 {
				if axes[j] == patient {
					return j
				}
			}
			return -1
		}
		// Display: x grows toward the left side or, sagittal, toward the back; y grows toward the back or the feet. In
		// patient terms all of these are the negative directions of right, anterior, superior.
		right, down := 0, 2
		switch across {
		case 2:
			down = 1
		case 0:
			right = 1
		}
		pl.uAxis, pl.vAxis = find(right), find(down)
		pl.flipU, pl.flipV = signs[pl.uAxis] > 0, signs[pl.vAxis] > 0
	}
	if img.Volumes() != 1 {
		return nil, fmt.Errorf("shape %v holds several volumes", img.Shape)
	}
	stride := [3]int{1, nx, nx * ny}
	pl.width, pl.height, pl.count = n[pl.uAxis], n[pl.vAxis], n[pl.axis]
	pl.du, pl.dv, pl.dk = stride[pl.uAxis], stride[pl.vAxis], stride[pl.axis]
	if pl.flipU {
		pl.origin += (pl.width - 1) * pl.du
		pl.du = -pl.du
	}
	if pl.flipV {
		pl.origin += (pl.height - 1) * pl.dv
		pl.dv = -pl.dv
	}
	if img.HasSpacing {
		spacing := img.Spacing()
		pl.spacingU, pl.spacingV = spacing[pl.uAxis], spacing[pl.vAxis]
	}
	return pl, nil
}

// region is a rectangle of a slice: x0 ≤ x < x1, y0 ≤ y < y1.
type region struct{ x0, y0, x1, y1 int }

func (r region) w() int { return r.x1 - r.x0 }
func (r region) h() int { return r.y1 - r.y0 }

func (pl *planes) whole() region { return region{0, 0, pl.width, pl.height} }

// boundingBox holds every labelled pixel of every slice, with a margin in mm; the whole slice where there is none.
func (pl *planes) boundingBox(labels []int32, table map[int]string, margin float64) region {
	r := region{pl.width, pl.height, 0, 0}
	for k := range pl.count {
		for y := range pl.height {
			at := pl.origin + y*pl.dv + k*pl.dk
			for x := range pl.width {
				if l := labels[at+x*pl.du]; l != 0 && table[int(l)] != "" {
					r = region{min(r.x0, x), min(r.y0, y), max(r.x1, x+1), max(r.y1, y+1)}
				}
			}
		}
	}
	if r.x1 == 0 {
		return pl.whole()
	}
	mu, mv := margin, margin
	if pl.spacingU > 0 {
		mu, mv = margin/pl.spacingU, margin/pl.spacingV
	}
	u, v := int(math.Ceil(mu)), int(math.Ceil(mv))
	return region{max(0, r.x0-u), max(0, r.y0-v), min(pl.width, r.x1+u), min(pl.height, r.y1+v)}
}

func (pl *planes) labelPlane(labels []int32, k int, r region) []int32 {
	out := make([]int32, 0, r.w()*r.h())
	for y := r.y0; y < r.y1; y++ {
		at := pl.origin + y*pl.dv + k*pl.dk
		for x := r.x0; x < r.x1; x++ {
			out = append(out, labels[at+x*pl.du])
		}
	}
	return out
}

// bytePlane gives one channel of a slice on the scale 0 … 255.
func (pl *planes) bytePlane(channel, k int, r region, lo, hi float64) []float32 {
	out := make([]float32, 0, r.w()*r.h())
	for y := r.y0; y < r.y1; y++ {
		at := channel*pl.voxels + pl.origin + y*pl.dv + k*pl.dk
		for x := r.x0; x < r.x1; x++ {
			out = append(out, toByte(float64(pl.values[at+x*pl.du]), lo, hi))
		}
	}
	return out
}

// sample makes slice k without its mask.
func (pl *planes) sample(c Case, k int, r region, lo, hi float64, p Prep) (Sample, error) {
	s := Sample{
		Dataset: c.Dataset, Site: c.Site, Patient: c.Patient, ID: c.ID, Modality: c.Modality, Sequence: c.Sequence,
		Part: c.Part, Shift: c.Shift, ImagePath: c.ImagePath, MaskPath: c.MaskPath, Slice: k,
		SourceShape: pl.img.Shape, SpacingX: pl.spacingU, SpacingY: pl.spacingV,
	}
	if c.Slice >= 0 {
		s.Slice = c.Slice
	}
	s.Place = Placement{
		Axis: pl.axis, Index: k, XAxis: pl.uAxis, YAxis: pl.vAxis, FlipX: pl.flipU, FlipY: pl.flipV,
		X0: r.x0, Y0: r.y0, SourceWidth: r.w(), SourceHeight: r.h(), Width: r.w(), Height: r.h(),
	}
	s.Width, s.Height = r.w(), r.h()
	if p.Resize != nil {
		s.Place.Width, s.Place.Height = fit(r.w(), r.h(), p.Resize.Size)
		s.Width, s.Height = p.Resize.Size, p.Resize.Size
		s.SpacingX *= float64(r.w()) / float64(s.Place.Width)
		s.SpacingY *= float64(r.h()) / float64(s.Place.Height)
	}
	raw := make([][]float32, pl.img.Channels)
	for ch := range raw {
		raw[ch] = pl.bytePlane(ch, k, r, lo, hi)
	}
	var err error
	if len(p.Before) > 0 {
		pixels := interleave(raw)
		if err := applyOwn(p.Before, pixels, r.h(), r.w(), len(raw)); err != nil {
			return s, fmt.Errorf("slice %d: %w", s.Slice, err)
		}
		for i, v := range pixels {
			raw[i%len(raw)][i/len(raw)] = v
		}
	}
	channels := make([][]uint8, len(raw))
	for ch := range channels {
		channels[ch] = resizeLinear(raw[ch], r.w(), r.h(), s.Place.Width, s.Place.Height, s.Width, s.Height)
	}
	if channels, err = toChannels(channels, p.Channels); err != nil {
		return s, err
	}
	s.Channels = len(channels)
	s.Image = interleave(channels)
	if len(p.After) > 0 {
		pixels := make([]float32, len(s.Image))
		for i, v := range s.Image {
			pixels[i] = float32(v)
		}
		if err := applyOwn(p.After, pixels, s.Height, s.Width, s.Channels); err != nil {
			return s, fmt.Errorf("slice %d: %w", s.Slice, err)
		}
		for i, v := range pixels {
			s.Image[i] = uint8(v)
		}
	}
	return s, nil
}

// interleave lays planes beside each other: (channels, pixels) → (pixels, channels).
func interleave[T any](planes [][]T) []T {
	out := make([]T, len(planes)*len(planes[0]))
	for ch, plane := range planes {
		for i, v := range plane {
			out[i*len(planes)+ch] = v
		}
	}
	return out
}

func toChannels(channels [][]uint8, want int) ([][]uint8, error) {
	if len(channels) == 4 {
		channels = channels[:3] // alpha
	}
	switch {
	case want == 0 && len(channels) != 2, want == len(channels):
		return channels, nil
	case want == 3 && len(channels) == 1:
		return [][]uint8{channels[0], channels[0], channels[0]}, nil
	case want == 1:
		for _, other := range channels[1:] {
			if string(other) != string(channels[0]) {
				return nil, errors.New("a colour image, and one channel is asked for; keep three channels")
			}
		}
		return channels[:1], nil
	}
	return nil, fmt.Errorf("%d channels, and %d are asked for", len(channels), want)
}
