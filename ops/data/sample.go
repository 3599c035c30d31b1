package data

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Sample is one prepared slice with one binary task: what a model trains on.
type Sample struct {
	Dataset  string `json:"dataset,omitempty"`
	Site     string `json:"site,omitempty"`
	Patient  string `json:"patient"`
	ID       string `json:"case"`
	Modality string `json:"modality,omitempty"`
	Sequence string `json:"sequence,omitempty"`
	Part     string `json:"part,omitempty"`
	Shift    string `json:"shift,omitempty"`

	ImagePath string `json:"image,omitempty"`
	MaskPath  string `json:"mask,omitempty"`

	Slice int    `json:"slice"` // number of the slice along its axis in the source, or the number a stored slice came with
	Task  string `json:"task,omitempty"`
	Label int    `json:"label,omitempty"` // smallest label value of the task in the source mask

	Width    int     `json:"width"`
	Height   int     `json:"height"`
	Channels int     `json:"channels"`
	Image    []uint8 `json:"-"` // (Height, Width, Channels), 0 to 255; shared by the samples of one slice
	Mask     []uint8 `json:"-"` // (Height, Width), 0 or 1; nil without a reference mask

	// SpacingX and SpacingY are the size of an output pixel in mm, 0 when unknown.
	SpacingX    float64   `json:"spacing_x_mm,omitempty"`
	SpacingY    float64   `json:"spacing_y_mm,omitempty"`
	SourceShape []int     `json:"source_shape"`
	Place       Placement `json:"place"`
}

// Owner is the patient with the data set it belongs to.
func (s Sample) Owner() string { return s.Dataset + "/" + s.Patient }

// Key tells the sample from every other one of the same preparation.
func (s Sample) Key() string {
	return strings.Join([]string{s.Owner(), s.ID, s.Sequence, s.Part, s.Shift, strconv.Itoa(s.Slice), s.Task}, "/")
}

// ImageHash is the SHA-256 of the pixels with their shape: samples with the same hash have the same image embedding.
func (s Sample) ImageHash() string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %d\n", s.Height, s.Width, s.Channels)
	h.Write(s.Image)
	return hex.EncodeToString(h.Sum(nil))
}

// Placement says where the pixels of a sample lie in the voxels of the source image, so that a predicted mask finds its way
// back.
type Placement struct {
	Axis  int  `json:"axis"`   // voxel axis across the slices
	Index int  `json:"index"`  // voxel index along it
	XAxis int  `json:"x_axis"` // voxel axes along the columns and the rows of the sample
	YAxis int  `json:"y_axis"`
	FlipX bool `json:"flip_x,omitempty"` // the sample's direction is against the axis
	FlipY bool `json:"flip_y,omitempty"`
	// X0, Y0 and the source size are the part of the slice that was used, in display direction, before resizing.
	X0           int `json:"x0,omitempty"`
	Y0           int `json:"y0,omitempty"`
	SourceWidth  int `json:"source_width"`
	SourceHeight int `json:"source_height"`
	// Width and Height are the part of the sample that holds the image; the rest is filling.
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Paste writes label into volume, an x-fastest label map of the sample's SourceShape, wherever the predicted mask is 1,
// taking for each voxel the nearest pixel of the mask.
func (s Sample) Paste(volume []uint8, mask []uint8, label uint8) error {
	n := [3]int{1, 1, 1}
	copy(n[:], s.SourceShape)
	if len(volume) != n[0]*n[1]*n[2] || len(mask) != s.Width*s.Height {
		return fmt.Errorf("volume of %d voxels and mask of %d pixels do not fit source shape %v and sample %d×%d", len(volume), len(mask), s.SourceShape, s.Width, s.Height)
	}
	stride := [3]int{1, n[0], n[0] * n[1]}
	p := s.Place
	for y := range p.SourceHeight {
		row := mask[nearest(y, p.Height, p.SourceHeight)*s.Width:]
		for x := range p.SourceWidth {
			if row[nearest(x, p.Width, p.SourceWidth)] == 0 {
				continue
			}
			i, j := p.X0+x, p.Y0+y
			if p.FlipX {
				i = n[p.XAxis] - 1 - i
			}
			if p.FlipY {
				j = n[p.YAxis] - 1 - j
			}
			volume[i*stride[p.XAxis]+j*stride[p.YAxis]+p.Index*stride[p.Axis]] = label
		}
	}
	return nil
}

// Box is a box prompt in pixels: the corners of the smallest rectangle, both inside it (x right, y down).
type Box struct{ X0, Y0, X1, Y1 int }

// BoxOf is the tight box of a mask with rows of the given width; false for an empty mask.
func BoxOf(mask []uint8, width int) (Box, bool) {
	b := Box{X0: width, Y0: -1}
	for i, v := range mask {
		if v == 0 {
			continue
		}
		x, y := i%width, i/width
		if b.Y0 < 0 {
			b.Y0 = y
		}
		b.X0, b.X1, b.Y1 = min(b.X0, x), max(b.X1, x), y
	}
	return b, b.Y0 >= 0
}

// FullBox is the box of a whole image, for prediction without a prompt.
func FullBox(width, height int) Box { return Box{0, 0, width - 1, height - 1} }

// Jitter moves each side outward by a whole number of pixels drawn evenly from lo … hi, both possible, and clips to
// 0 … width and 0 … height. The far bound is the width, not the last pixel, as in the published training of MedSegX; its
// range is 0 … 19. The draws are in the order left, top, right, bottom.
func (b Box) Jitter(lo, hi, width, height int, rng *rand.Rand) Box {
	grow := func() int { return lo + rng.IntN(hi-lo+1) }
	left, top, right, bottom := grow(), grow(), grow(), grow()
	return Box{max(0, b.X0-left), max(0, b.Y0-top), min(width, b.X1+right), min(height, b.Y1+bottom)}
}
