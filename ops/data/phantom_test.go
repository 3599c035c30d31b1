package data

import (
	"context"
	"slices"
	"testing"

	"github.com/mseg-lang/mseg/ops/image"
)

func TestPhantoms(t *testing.T) {
	spec := PhantomSpec{Patients: 6, Size: [3]int{64, 64, 6}, Spacing: [3]float64{5, 5, 8}, Seed: 1}
	dir := t.TempDir()
	cases, err := WritePhantoms(context.Background(), dir, spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	indexed, err := Volumes(dir, Layout{Image: "{case}_image.nrrd", Mask: "{case}_label.nrrd"})
	if err != nil || len(indexed) != 6 {
		t.Fatalf("%d cases, %v", len(indexed), err)
	}
	if problems := CheckVoxels(context.Background(), cases); problems != nil {
		t.Fatal(problems)
	}
	brighter, darker := 0, 0
	for _, c := range cases {
		img, labels, err := load(c)
		if err != nil {
			t.Fatal(err)
		}
		values := img.Float32()
		var sum, count [4]float64
		for i, l := range labels {
			sum[l] += float64(values[i])
			count[l]++
		}
		for l := 1; l < 4; l++ {
			if count[l] < 5 {
				t.Errorf("%s: %v voxels of label %d", c.ID, count[l], l)
			}
		}
		if sum[3]/count[3] > sum[1]/count[1] {
			brighter++
		} else {
			darker++
		}
		if st := img.Stats(); c.Modality == "CT" && st.Min > -900 || c.Modality == "MRI" && st.Min < 0 {
			t.Errorf("%s: %s with values from %v", c.ID, c.Modality, st.Min)
		}
		prep := Prep{Percentile: &Percentile{Lo: 0.5, Hi: 99.5}, Slices: &Slices{Axis: "axial"}, Resize: &Resize{64}}
		if samples, _, err := PrepareCase(c, prep); err != nil || len(samples) < 6 {
			t.Errorf("%s: %d samples, %v", c.ID, len(samples), err)
		}
	}
	if brighter == 0 || darker == 0 {
		t.Errorf("lesions brighter than the organ in %d patients, darker in %d", brighter, darker)
	}
	one, err := MakePhantom(spec, 4)
	if err != nil {
		t.Fatal(err)
	}
	disk, err := image.Read(cases[4].ImagePath)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(one.Image.Float32(), disk.Float32()) {
		t.Error("patient 4 on its own differs from patient 4 of the set")
	}
	neighbour, err := MakePhantom(spec, 2) // of the same modality
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(one.Image.Float32(), neighbour.Image.Float32()) {
		t.Error("two patients are the same")
	}
	other, err := MakePhantom(PhantomSpec{Patients: 6, Size: spec.Size, Spacing: spec.Spacing, Seed: 2}, 4)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(one.Image.Float32(), other.Image.Float32()) {
		t.Error("another seed gives the same patient")
	}
	if _, err := WritePhantoms(context.Background(), t.TempDir(), PhantomSpec{}, nil); err == nil {
		t.Error("a set of no patients was made")
	}
	for name, bad := range map[string]PhantomSpec{
		"modality": {Patients: 1, Modality: "US"}, "size": {Patients: 1, Size: [3]int{8, 64, 1}},
		"spacing": {Patients: 1, Spacing: [3]float64{-1, 1, 1}}, "lesions": {Patients: 1, Lesions: -2},
	} {
		if _, err := MakePhantom(bad, 0); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
