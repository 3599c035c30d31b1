package data

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestFocusHoldsTheBox(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sides, places := map[int]bool{}, map[int]bool{}
	for i := range 400 {
		w, h := 20+rng.IntN(60), 20+rng.IntN(60)
		mask := make([]uint8, w*h)
		bw, bh := 1+rng.IntN(10), 1+rng.IntN(10)
		x0, y0 := rng.IntN(w-bw+1), rng.IntN(h-bh+1)
		for y := y0; y < y0+bh; y++ {
			for x := x0; x < x0+bw; x++ {
				mask[y*w+x] = 1
			}
		}
		f := Focus{Factor: 2.5, Least: 12}
		within := region{3, 4, 3 + w, 4 + h}
		r := f.square(mask, within, fmt.Sprint("sample ", i))
		if r.x0 > 3+x0 || r.y0 > 4+y0 || r.x1 < 3+x0+bw || r.y1 < 4+y0+bh {
			t.Fatalf("region %+v cuts the box at (%d, %d) of %d×%d", r, 3+x0, 4+y0, bw, bh)
		}
		if r.x0 < 3 || r.y0 < 4 || r.x1 > 3+w || r.y1 > 4+h {
			t.Fatalf("region %+v leaves the slice %+v", r, within)
		}
		if r.w() < min(12, w) || r.h() < min(12, h) {
			t.Fatalf("region %+v is smaller than asked", r)
		}
		if r != f.square(mask, within, fmt.Sprint("sample ", i)) {
			t.Fatal("the same sample gives another region")
		}
		sides[r.w()], places[3+x0-r.x0] = true, true
		if got := cut(mask, within, r); len(got) != r.w()*r.h() {
			t.Fatalf("%d pixels for %+v", len(got), r)
		} else if b, _ := BoxOf(got, r.w()); b != (Box{3 + x0 - r.x0, 4 + y0 - r.y0, 3 + x0 - r.x0 + bw - 1, 4 + y0 - r.y0 + bh - 1}) {
			t.Fatalf("box %+v in the region %+v", b, r)
		}
	}
	if len(sides) < 8 || len(places) < 8 {
		t.Errorf("%d sides and %d places: they give the structure away", len(sides), len(places))
	}
}

// A focused sample goes back to its place in the volume like any other.
func TestFocusPaste(t *testing.T) {
	c := stored(t, t.TempDir(), "f", [3]int{0, 1, 2}, [3]bool{true, true, false}, anatomy)
	prep := Prep{Window: &Window{0, 255}, Slices: &Slices{Axis: "axial"}, Focus: &Focus{Factor: 2, Least: 4}}
	samples, _, err := PrepareCase(c, prep)
	if err != nil {
		t.Fatal(err)
	}
	_, want, err := load(c)
	if err != nil {
		t.Fatal(err)
	}
	volume := make([]uint8, len(want))
	for _, s := range samples {
		if err := s.Paste(volume, s.Mask, uint8(s.Label)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range want {
		if int32(volume[i]) != want[i] {
			t.Fatalf("voxel %d is %d, want %d", i, volume[i], want[i])
		}
	}
}

// Stand-ins have the names and the labels of the real files, and are not taken for them.
func TestStandIns(t *testing.T) {
	if testing.Short() {
		t.Skip("makes five volumes")
	}
	e := radiomics()
	dir := t.TempDir()
	if err := WriteStandIns(context.Background(), e, dir); err != nil {
		t.Fatal(err)
	}
	cases, err := Volumes(dir, Layout{Image: e.ImagePattern, Mask: e.MaskPattern, Labels: map[int]string{1: "X_Tumor"}})
	if err != nil || len(cases) != 5 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	if problems := CheckVoxels(context.Background(), cases); problems != nil {
		t.Error(problems)
	}
	if missing, err := e.Missing(dir); err != nil || len(missing) != len(e.Files) {
		t.Errorf("%d of %d files count as missing, %v", len(missing), len(e.Files), err)
	}
}
