package image

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The volumes of the test data, with facts from their notes.
func TestRealVolumes(t *testing.T) {
	dir := sharedData(t, ".")
	tests := []struct {
		path     string
		shape    []int
		dtype    DType
		axcodes  string
		spacing  [3]float64
		channels int
	}{
		{"ct-organs/ct.nii.gz", []int{122, 101, 30}, Int16, "RAS", [3]float64{3, 3, 3}, 1},
		{"ct-organs/labels_fast.nii.gz", []int{122, 101, 30}, Uint8, "RAS", [3]float64{3, 3, 3}, 1},
		{"ct-organs/large/ct.nii.gz", []int{122, 101, 112}, Int32, "RAS", [3]float64{3, 3, 3}, 1},
		{"mr-organs/mr.nii.gz", []int{117, 91, 20}, Int16, "LPS", [3]float64{3, 3, 3}, 1},
		{"spine/t2/t2.nii.gz", []int{60, 55, 52}, Int16, "PSR", [3]float64{1, 1, 1}, 1},
		{"spine/t2s/t2s_uncropped.nii.gz", []int{320, 320, 11}, Uint8, "LAS", [3]float64{0.5, 0.5, 7.5}, 1},
		{"spine/t2s/t2s_seg-deepseg.nii.gz", []int{49, 54, 9}, Int64, "LAS", [3]float64{0.5, 0.5, 7.5}, 1},
		{"spine/t2/t2_seg-manual_labeled.nii.gz", []int{60, 55, 52}, Float64, "PSR", [3]float64{1, 1, 1}, 1},
		{"spine/mt/t1w.nii.gz", []int{40, 40, 5}, Int16, "LAS", [3]float64{0.84375, 0.84375, 17}, 1},
		{"png/data_demo/images/s0114_111.png", []int{258, 181}, Uint8, "", [3]float64{1, 1, 1}, 3},
		{"png/data_demo/masks/s0114_111_aorta_000.png", []int{258, 181}, Uint8, "", [3]float64{1, 1, 1}, 1},
		{"medsegdb-example/eval/ID/ISIC2018/Dermoscopy_Skin/npy_imgs/casenum_ISIC_0000017_sliceid_1010.npy", []int{256, 256}, Uint8, "", [3]float64{1, 1, 1}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			m, err := Read(filepath.Join(dir, tt.path))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(m.Shape, tt.shape) || m.DType != tt.dtype || m.Channels != tt.channels {
				t.Errorf("%v %s × %d, want %v %s × %d", m.Shape, m.DType, m.Channels, tt.shape, tt.dtype, tt.channels)
			}
			if tt.axcodes != "" && m.Axcodes() != tt.axcodes || m.HasGeometry != (tt.axcodes != "") {
				t.Errorf("axes %s (geometry %v), want %q", m.Axcodes(), m.HasGeometry, tt.axcodes)
			}
			for i, s := range m.Spacing() {
				if !(math.Abs(s-tt.spacing[i]) <= 1e-4) {
					t.Errorf("spacing %v, want %v", m.Spacing(), tt.spacing)
				}
			}
		})
	}
}

// The reference tool measured volume and mean HU of every organ on these very files.
func TestOrganVolumesAgreeWithReference(t *testing.T) {
	dir := sharedData(t, "ct-organs")
	ct, err := Read(filepath.Join(dir, "ct.nii.gz"))
	if err != nil {
		t.Fatal(err)
	}
	seg, err := Read(filepath.Join(dir, "labels_fast.nii.gz"))
	if err != nil {
		t.Fatal(err)
	}
	labels, err := seg.Labels()
	if err != nil {
		t.Fatal(err)
	}
	hu := ct.Float64()
	var doc struct {
		Fast map[int32]struct{ Name string } `json:"labels_fast.nii.gz"`
	}
	var stats map[string]struct{ Volume, Intensity float64 }
	for file, into := range map[string]any{"labels.json": &doc, "statistics_upstream.json": &stats} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
	}
	count, sum := map[int32]float64{}, map[int32]float64{}
	for i, l := range labels {
		count[l]++
		sum[l] += hu[i]
	}
	for l, name := range doc.Fast {
		want, ok := stats[name.Name]
		if !ok {
			t.Errorf("no statistics of %s", name.Name)
			continue
		}
		if got := count[l] * 27; got != want.Volume {
			t.Errorf("%s: %v mm³, want %v", name.Name, got, want.Volume)
		}
		if got := sum[l] / count[l]; !(math.Abs(got-want.Intensity) <= 1e-4) {
			t.Errorf("%s: mean %v HU, want %v", name.Name, got, want.Intensity)
		}
	}
	if len(doc.Fast) != 40 {
		t.Errorf("%d organs compared, want 40", len(doc.Fast))
	}
}

func TestSoftMaskIsNotALabelMap(t *testing.T) {
	dir := sharedData(t, "spine/mt")
	soft, err := Read(filepath.Join(dir, "mt1_gmseg.nii.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := soft.Labels(); err == nil || !strings.Contains(err.Error(), "threshold") {
		t.Errorf("a soft mask was taken as labels: %v", err)
	}
	a, err := ReadHeader(filepath.Join(dir, "mt1.nii.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"mt0.nii.gz", "mt1_seg.nii.gz", "mt1_gmseg_goldstandard.nii.gz"} {
		b, err := ReadHeader(filepath.Join(dir, other))
		if err != nil {
			t.Fatal(err)
		}
		if err := SameGrid(a, b, 0.01); err != nil {
			t.Errorf("%s: %v", other, err)
		}
	}
	b, err := ReadHeader(filepath.Join(dir, "../t2s/t2s.nii.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if err := SameGrid(a, b, 0.01); err == nil {
		t.Error("two different grids count as the same")
	}
}
