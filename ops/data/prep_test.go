package data

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/ops/image"
)

// stored writes the same anatomy with its axes permuted and flipped: world (r, a, s) has the value of f.
func stored(t *testing.T, dir, name string, perm [3]int, flip [3]bool, f func(r, a, s int) (int16, uint8)) Case {
	t.Helper()
	world := [3]int{9, 7, 5} // voxels toward right, anterior, superior, 1×2×3 mm
	step := [3]float64{1, 2, 3}
	var shape [3]int
	aff := [4][4]float64{3: {0, 0, 0, 1}}
	for j, axis := range perm {
		shape[j] = world[axis]
		aff[axis][j] = step[axis]
		if flip[j] {
			aff[axis][j] = -step[axis]
			aff[axis][3] = step[axis] * float64(world[axis]-1)
		}
	}
	n := shape[0] * shape[1] * shape[2]
	values, labels := make([]int16, n), make([]uint8, n)
	for i := range n {
		index := [3]int{i % shape[0], i / shape[0] % shape[1], i / (shape[0] * shape[1])}
		var w [3]int
		for j, axis := range perm {
			w[axis] = index[j]
			if flip[j] {
				w[axis] = shape[j] - 1 - index[j]
			}
		}
		values[i], labels[i] = f(w[0], w[1], w[2])
	}
	return Case{
		ID: name, Patient: name, Slice: -1, Labels: map[int]string{1: "CT_Liver", 2: "CT_Spleen"},
		ImagePath: save(t, filepath.Join(dir, name+"_image.nii"), image.FromSlice(shape[:], values).WithAffine(aff)),
		MaskPath:  save(t, filepath.Join(dir, name+"_label.nii"), image.FromSlice(shape[:], labels).WithAffine(aff)),
	}
}

func anatomy(r, a, s int) (int16, uint8) {
	v := int16(r + 10*a + 30*s)
	switch {
	case r >= 2 && r <= 4 && a >= 1 && a <= 3 && s >= 1 && s <= 3:
		return v, 1
	case r == 7 && a == 5 && s == 2:
		return v, 2
	}
	return v, 0
}

// Slices must depend on the patient, not on how the file happens to store the axes.
func TestSlicesFollowOrientation(t *testing.T) {
	dir := t.TempDir()
	perms := [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	for _, axis := range []string{"axial", "coronal", "sagittal"} {
		prep := Prep{Window: &Window{0, 255}, Slices: &Slices{Axis: axis}}
		var want []Sample
		for p, perm := range perms {
			for f := range 8 {
				c := stored(t, dir, fmt.Sprintf("%s%d%d", axis, p, f), perm, [3]bool{f&1 > 0, f&2 > 0, f&4 > 0}, anatomy)
				got, _, err := PrepareCase(c, prep)
				if err != nil {
					t.Fatal(err)
				}
				if want == nil {
					want = got
				}
				if len(got) != len(want) {
					t.Fatalf("%s: %d samples, want %d", c.ID, len(got), len(want))
				}
				// The stack may be stored from either end, so slices are found by content.
				for _, s := range got {
					if !slices.ContainsFunc(want, func(w Sample) bool {
						return w.Task == s.Task && w.Width == s.Width && bytes.Equal(w.Image, s.Image) && bytes.Equal(w.Mask, s.Mask) &&
							math.Abs(w.SpacingX-s.SpacingX) < 1e-6 && math.Abs(w.SpacingY-s.SpacingY) < 1e-6
					}) {
						t.Fatalf("%s: slice %d of %s looks different from the other orientations", c.ID, s.Slice, s.Task)
					}
				}
			}
		}
	}
}

// Front up and right side on the left: checked on one voxel of each view.
func TestDisplayConvention(t *testing.T) {
	c := stored(t, t.TempDir(), "c", [3]int{0, 1, 2}, [3]bool{}, func(r, a, s int) (int16, uint8) {
		if r == 8 && a == 6 && s == 4 { // right, front, top
			return 255, 1
		}
		return 0, 0
	})
	for axis, want := range map[string]struct{ x, y, w, h int }{
		"axial":    {0, 0, 9, 7},
		"coronal":  {0, 0, 9, 5},
		"sagittal": {0, 0, 7, 5},
		"stored":   {8, 6, 9, 7},
	} {
		s, _, err := PrepareCase(c, Prep{Window: &Window{0, 255}, Slices: &Slices{Axis: axis}})
		if err != nil || len(s) != 1 {
			t.Fatal(s, err)
		}
		if s[0].Width != want.w || s[0].Height != want.h || s[0].Image[want.y*want.w+want.x] != 255 || s[0].Mask[want.y*want.w+want.x] != 1 {
			t.Errorf("%s: %d×%d, the voxel is not at (%d, %d)", axis, s[0].Width, s[0].Height, want.x, want.y)
		}
	}
}

// What was cut out of a volume goes back to where it came from.
func TestPaste(t *testing.T) {
	dir := t.TempDir()
	for i, prep := range []Prep{
		{Window: &Window{0, 255}, Slices: &Slices{Axis: "axial"}},
		{Window: &Window{0, 255}, Slices: &Slices{Axis: "coronal"}, Resize: &Resize{90}},
		{Window: &Window{0, 255}, Slices: &Slices{Axis: "sagittal"}, Resize: &Resize{63}, Crop: &Crop{1}},
		{Window: &Window{0, 255}, Slices: &Slices{Axis: "stored", All: true}, Resize: &Resize{36}, Channels: 3},
	} {
		c := stored(t, dir, fmt.Sprint("p", i), [3]int{2, 0, 1}, [3]bool{true, false, true}, anatomy)
		samples, _, err := PrepareCase(c, prep)
		if err != nil {
			t.Fatal(err)
		}
		mask, err := image.Read(c.MaskPath)
		if err != nil {
			t.Fatal(err)
		}
		want, err := mask.Labels()
		if err != nil {
			t.Fatal(err)
		}
		volume := make([]uint8, len(want))
		for _, s := range samples {
			if err := s.Paste(volume, s.Mask, uint8(s.Label)); err != nil {
				t.Fatal(err)
			}
		}
		for j := range want {
			if int32(volume[j]) != want[j] {
				t.Fatalf("prep %d: voxel %d is %d, want %d", i, j, volume[j], want[j])
			}
		}
		if err := samples[0].Paste(volume[1:], samples[0].Mask, 1); err == nil {
			t.Error("a volume of the wrong size was accepted")
		}
	}
}

func TestIntensities(t *testing.T) {
	values := make([]int16, 100)
	for i := range values {
		values[i] = int16(10 * i) // 0 … 990
	}
	img := image.FromSlice([]int{10, 10}, values)
	at := func(p Prep) []uint8 {
		t.Helper()
		s, _, err := prepare(Case{Slice: -1}, img, nil, p)
		if err != nil {
			t.Fatal(err)
		}
		return s[0].Image
	}
	got := at(Prep{Window: &Window{100, 355}})
	for i, want := range map[int]uint8{0: 0, 10: 0, 11: 10, 20: 100, 35: 250, 36: 255, 99: 255} {
		if got[i] != want {
			t.Errorf("window: %d becomes %d, want %d", values[i], got[i], want)
		}
	}
	lo, hi, _ := percentiles(img, Percentile{Lo: 0.5, Hi: 99.5})
	if !(math.Abs(lo-4.95) <= 1e-4) || !(math.Abs(hi-985.05) <= 1e-3) { // numpy.percentile
		t.Errorf("percentiles %v %v", lo, hi)
	}
	if lo, _, _ := percentiles(img, Percentile{Lo: 0, Hi: 100, Nonzero: true}); lo != 10 {
		t.Errorf("lowest nonzero %v", lo)
	}
	for name, tt := range map[string]struct {
		img   *image.Image
		prep  Prep
		words []string
	}{
		"undeclared": {img, Prep{}, []string{"0 to 990", "int16", "window"}},
		"both":       {img, Prep{Window: &Window{0, 1}, Percentile: &Percentile{Lo: 0, Hi: 1}}, []string{"choose one"}},
		"reversed":   {img, Prep{Window: &Window{1, 0}}, []string{"1 .. 0"}},
		"range":      {img, Prep{Percentile: &Percentile{Lo: -1, Hi: 50}}, []string{"within 0 % .. 100 %"}},
		"constant":   {image.FromSlice([]int{2, 2}, []int16{5, 5, 5, 5}), Prep{Percentile: &Percentile{Lo: 1, Hi: 99}}, []string{"constant"}},
		"black":      {image.FromSlice([]int{2, 2}, make([]int16, 4)), Prep{Percentile: &Percentile{Lo: 1, Hi: 99, Nonzero: true}}, []string{"nothing to rank"}},
		"uncut":      {image.FromSlice([]int{2, 2, 2}, make([]uint8, 8)), Prep{}, []string{"slices(axis: axial)"}},
		"nowhere":    {image.FromSlice([]int{2, 2, 2}, make([]uint8, 8)), Prep{Slices: &Slices{Axis: "axial"}}, []string{"no orientation", "stored"}},
		"axis":       {img, Prep{Slices: &Slices{Axis: "z"}}, []string{`"z"`}},
		"no mask":    {image.FromSlice([]int{2, 2}, make([]uint8, 4)), Prep{Crop: &Crop{1}}, []string{"crop needs the mask"}},
		"channels":   {img, Prep{Window: &Window{0, 1}, Channels: 2}, []string{"1 or 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.prep.Check()
			if err == nil {
				_, _, err = prepare(Case{Slice: -1}, tt.img, nil, tt.prep)
			}
			wantError(t, err, tt.words...)
		})
	}
}

func TestMinAreaAndMergedLabels(t *testing.T) {
	img := image.FromSlice([]int{4, 4, 2}, make([]uint8, 32))
	labels := make([]int32, 32)
	labels[0], labels[1], labels[2], labels[16] = 1, 1, 3, 1
	labels[20], labels[21] = 7, 7
	c := Case{Slice: -1, Labels: map[int]string{1: "CT_Liver", 3: "CT_Liver", 7: "", 9: "CT_Spleen"}}
	samples, report, err := prepare(c, img, labels, Prep{Slices: &Slices{Axis: "stored", MinArea: 2}})
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) != 1 || samples[0].Task != "CT_Liver" || samples[0].Label != 1 || samples[0].Slice != 0 || report.SmallMasks != 1 {
		t.Errorf("%d samples, report %+v", len(samples), report)
	}
	if got := fmt.Sprint(samples[0].Mask[:4]); got != "[1 1 1 0]" {
		t.Errorf("mask %s", got)
	}
	samples, _, err = prepare(c, img, labels, Prep{Slices: &Slices{Axis: "stored", MinArea: 2, All: true}})
	if err != nil || len(samples) != 4 {
		t.Errorf("all: %d samples, %v; want 2 slices × 2 tasks", len(samples), err)
	}
}

func TestResizeFilter(t *testing.T) {
	// From 4 to 2 pixels the triangle is 4 wide: weights 3, 3, 1 over 7.
	if got := fmt.Sprint(triangle(4, 2)[0]); got != "{0 [0.42857143 0.42857143 0.14285715]}" {
		t.Errorf("shrinking: %s", got)
	}
	// From 2 to 4 it is ordinary linear interpolation between centres.
	if got := fmt.Sprint(triangle(2, 4)); got != "[{0 [1 0]} {0 [0.75 0.25]} {0 [0.25 0.75]} {0 [0 1]}]" &&
		got != "[{0 [1]} {0 [0.75 0.25]} {0 [0.25 0.75]} {1 [1]}]" {
		t.Errorf("growing: %s", got)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		w, h, size := 1+rng.IntN(40), 1+rng.IntN(40), 1+rng.IntN(40)
		toW, toH := fit(w, h, size)
		if max(toW, toH) != size || toW < 1 || toH < 1 {
			t.Fatalf("%d×%d fits %d as %d×%d", w, h, size, toW, toH)
		}
		level := uint8(rng.IntN(256))
		in := make([]float32, w*h)
		for i := range in {
			in[i] = float32(level)
		}
		out := resizeLinear(in, w, h, toW, toH, size, size)
		for y := range size {
			for x := range size {
				want := level
				if x >= toW || y >= toH {
					want = 0
				}
				if out[y*size+x] != want {
					t.Fatalf("a constant %d of %d×%d becomes %d at (%d, %d) of %d×%d", level, w, h, out[y*size+x], x, y, toW, toH)
				}
			}
		}
	}
}

func TestBoxes(t *testing.T) {
	mask := make([]uint8, 20)
	mask[1*5+2], mask[3*5+1] = 1, 1
	if b, ok := BoxOf(mask, 5); !ok || b != (Box{1, 1, 2, 3}) {
		t.Errorf("box %v %v", b, ok)
	}
	if b, ok := BoxOf(make([]uint8, 20), 5); ok {
		t.Errorf("box %v of an empty mask", b)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	seen := map[int]int{}
	for range 20000 {
		b := Box{100, 100, 120, 120}.Jitter(0, 19, 256, 256, rng)
		seen[100-b.X0]++
		if b.X0 < 81 || b.Y0 < 81 || b.X1 > 139 || b.Y1 > 139 || b.X0 > 100 || b.X1 < 120 {
			t.Fatalf("box %v", b)
		}
	}
	for d := range 20 {
		if seen[d] < 800 || seen[d] > 1200 { // 1000 expected, six standard deviations
			t.Errorf("a step of %d px was drawn %d times of 20000", d, seen[d])
		}
	}
	if b := (Box{0, 0, 255, 255}).Jitter(5, 5, 256, 256, rng); b != (Box{0, 0, 256, 256}) {
		t.Errorf("clipped box %v; the far bound is the size", b)
	}
}

func prepared(t *testing.T) ([]Sample, Prep) {
	prep := Prep{Window: &Window{0, 255}, Slices: &Slices{Axis: "axial"}, Resize: &Resize{16}, Channels: 3}
	samples, _, err := PrepareCase(stored(t, t.TempDir(), "c", [3]int{1, 2, 0}, [3]bool{}, anatomy), prep)
	if err != nil {
		t.Fatal(err)
	}
	other := samples[0]
	other.Width, other.Height, other.Channels, other.Image, other.Mask = 2, 1, 1, []uint8{3, 4}, nil
	return append(samples, other), prep
}

func TestPreparedFile(t *testing.T) {
	samples, prep := prepared(t)
	path := filepath.Join(t.TempDir(), "p.npz")
	if err := WritePrepared(path, samples, prep); err != nil {
		t.Fatal(err)
	}
	got, gotPrep, err := ReadPrepared(path)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", samples) || *gotPrep.Resize != *prep.Resize || *gotPrep.Window != *prep.Window {
		t.Errorf("other samples or parameters came back: %+v", gotPrep)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := WritePrepared(path, got, gotPrep); err != nil {
		t.Fatal(err)
	}
	if second, _ := os.ReadFile(path); !bytes.Equal(first, second) {
		t.Error("the same samples give other bytes")
	}
	if !strings.Contains(string(first), preparedMember) {
		t.Error("no description inside")
	}
}

func TestPreparedFileRefusesDamage(t *testing.T) {
	samples, prep := prepared(t)
	path := filepath.Join(t.TempDir(), "p.npz")
	if err := WritePrepared(path, samples, prep); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut < len(whole); cut += 1 + len(whole)/200 {
		if err := os.WriteFile(path, whole[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ReadPrepared(path); err == nil {
			t.Fatalf("a file cut to %d of %d bytes was read", cut, len(whole))
		}
	}
	if err := os.WriteFile(path, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	arrays, texts, err := image.ReadBundle(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(texts[preparedMember])
	for name, tt := range map[string]struct {
		change func()
		word   string
	}{
		"pixel": {func() { arrays["images_0"].Bytes()[5] ^= 1 }, "checksum"},
		"index": {func() {
			texts[preparedMember] = []byte(strings.Replace(text, `"image_index": 1`, `"image_index": 99`, 1))
		}, "element 99"},
		"mask": {func() {
			texts[preparedMember] = []byte(strings.Replace(text, `"mask_index": 1`, `"mask_index": 1000`, 1))
		}, "element 1000"},
		"size":    {func() { texts[preparedMember] = []byte(strings.Replace(text, `"width": 16`, `"width": 17`, 1)) }, "shape"},
		"version": {func() { texts[preparedMember] = []byte(strings.Replace(text, `"version": 1`, `"version": 2`, 1)) }, "version 2"},
		"field":   {func() { texts[preparedMember] = []byte(strings.Replace(text, `"version"`, `"other": 1, "version"`, 1)) }, "other"},
		"missing": {func() { delete(texts, preparedMember) }, "not a prepared file"},
	} {
		t.Run(name, func(t *testing.T) {
			if arrays, texts, err = image.ReadBundle(path); err != nil {
				t.Fatal(err)
			}
			tt.change()
			_, _, err := unpack(arrays, texts)
			wantError(t, err, tt.word)
		})
	}
}
