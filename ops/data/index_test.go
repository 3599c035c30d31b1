package data

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/ops/image"
)

func TestVolumes(t *testing.T) {
	root := t.TempDir()
	touch(t, root,
		"set/siteB/p2_image.nii.gz", "set/siteB/p2_label.nii.gz",
		"set/siteA/p10_image.nii.gz", "set/siteA/p10_label.nii.gz",
		"set/siteA/p9_image.nii.gz", "set/siteA/p9_label.nii.gz",
		"set/siteA/.hidden_image.nii.gz", "set/siteA/notes.txt", "set/other.txt",
		"same/a/a_image.png", "same/a/b_image.png")
	cases, err := Volumes(root, Layout{
		Image: "set/{site}/{case}_image.nii.gz", Mask: "set/{site}/{case}_label.nii.gz",
		Site: "{site}", Patient: "{site}-{case}", Modality: "MRI", Labels: map[int]string{1: "MRI_Liver"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range cases {
		rel, _ := filepath.Rel(root, c.MaskPath)
		got = append(got, fmt.Sprintf("%s %s %s %s %s %s %d", c.Dataset, c.Site, c.Patient, c.ID, c.Modality, rel, c.Slice))
	}
	want := `set siteA siteA-p10 p10 MRI set/siteA/p10_label.nii.gz -1
set siteA siteA-p9 p9 MRI set/siteA/p9_label.nii.gz -1
set siteB siteB-p2 p2 MRI set/siteB/p2_label.nii.gz -1`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	cases, err = Volumes(root, Layout{Image: "same/{x}/{x}_image.png"})
	if err != nil || len(cases) != 1 || cases[0].ID != "a" {
		t.Errorf("a placeholder named twice: %v, %v", cases, err)
	}
	cases, err = Volumes("/", Layout{Image: filepath.Join(root, "same/{x}/{y}_image.png")})
	if err != nil || len(cases) != 2 || cases[1].ID != "a_b" || cases[1].Patient != "a_b" {
		t.Errorf("absolute pattern: %v, %v", cases, err)
	}
}

func TestVolumesErrors(t *testing.T) {
	root := t.TempDir()
	touch(t, root, "set/p1_image.nrrd", "set/p2_image.nrrd", "set/p2_label.nrrd")
	for name, tt := range map[string]struct {
		layout Layout
		words  []string
	}{
		"no folder":           {Layout{Image: "sets/train/{case}_image.nrrd"}, []string{"sets/train/{case}_image.nrrd", "sets does not exist", "nearest that does is " + root}},
		"no match":            {Layout{Image: "set/{case}_img.nrrd"}, []string{"no file matches", "p1_image.nrrd"}},
		"mask missing":        {Layout{Image: "set/{case}_image.nrrd", Mask: "set/{case}_label.nrrd"}, []string{"1 of 2", "case p1", "p1_label.nrrd"}},
		"unknown placeholder": {Layout{Image: "set/{case}_image.nrrd", Mask: "set/{id}_label.nrrd"}, []string{"{id}", "mask"}},
		"bad brace":           {Layout{Image: "set/{case_image.nrrd"}, []string{"brace"}},
		"bad name":            {Layout{Image: "set/{1 2}.nrrd"}, []string{"{1 2}", "not a name"}},
		"empty":               {Layout{}, []string{"empty"}},
		"patient":             {Layout{Image: "set/{case}_image.nrrd", Patient: "{person}"}, []string{"patient", "{person}"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Volumes(root, tt.layout)
			wantError(t, err, tt.words...)
		})
	}
}

func affine(sx, sy, sz float64) [4][4]float64 {
	return [4][4]float64{{sx, 0, 0, 0}, {0, sy, 0, 0}, {0, 0, sz, 0}, {0, 0, 0, 1}}
}

func TestChecks(t *testing.T) {
	dir := t.TempDir()
	shape := []int{6, 5, 4}
	voxels := make([]int16, 120)
	img := save(t, filepath.Join(dir, "img.nrrd"), image.FromSlice(shape, voxels).WithAffine(affine(1, 1, 3)))
	labels := make([]uint8, 120)
	labels[7], labels[8], labels[9] = 1, 4, 4
	nan := make([]float32, 120)
	nan[3] = float32(math.NaN())
	soft := make([]float32, 120)
	soft[3] = 0.5
	near := affine(1, 1, 3)
	near[2][2] += 2e-4 / 4
	for name, tt := range map[string]struct {
		image, mask *image.Image
		header      []string // words of CheckHeaders' error, nil for none
		voxels      []string // words of CheckVoxels' error
	}{
		"good":     {nil, image.FromSlice(shape, labels[:120:120]).WithAffine(affine(1, 1, 3)), nil, []string{"label 4 (2 voxels)", "mask.nrrd", "[1]"}},
		"rounded":  {nil, image.FromSlice(shape, make([]uint8, 120)).WithAffine(near), nil, nil},
		"shape":    {nil, image.FromSlice([]int{6, 5, 3}, make([]uint8, 90)).WithAffine(affine(1, 1, 3)), []string{"6×5×4 against 6×5×3", "mask.nrrd"}, []string{"6×5×4"}},
		"spacing":  {nil, image.FromSlice(shape, make([]uint8, 120)).WithAffine(affine(1, 1, 2.9)), []string{"mm apart"}, []string{"mm apart"}},
		"flipped":  {nil, image.FromSlice(shape, make([]uint8, 120)).WithAffine(affine(-1, 1, 3)), []string{"LAS"}, []string{"LAS"}},
		"bare":     {nil, image.FromSlice(shape, make([]uint8, 120)), []string{"orientation"}, []string{"orientation"}},
		"nan":      {image.FromSlice(shape, nan).WithAffine(affine(1, 1, 3)), nil, nil, []string{"1 NaN", "img.nrrd"}},
		"soft":     {nil, image.FromSlice(shape, soft).WithAffine(affine(1, 1, 3)), nil, []string{"0.5", "[3 0 0]"}},
		"volumes":  {image.FromSlice([]int{6, 5, 4, 2}, make([]int16, 240)).WithAffine(affine(1, 1, 3)), nil, []string{"2 volumes"}, []string{"2 volumes"}},
		"coded255": {nil, image.FromSlice(shape, func() []uint8 { v := make([]uint8, 120); v[0] = 255; return v }()).WithAffine(affine(1, 1, 3)), nil, []string{"255 (1 voxels)", "0/255"}},
	} {
		t.Run(name, func(t *testing.T) {
			sub := t.TempDir()
			c := Case{ID: name, ImagePath: img, Labels: map[int]string{1: "CT_Liver"}, Slice: -1}
			if tt.image != nil {
				c.ImagePath = save(t, filepath.Join(sub, "img.nrrd"), tt.image)
			}
			if tt.mask != nil {
				c.MaskPath = save(t, filepath.Join(sub, "mask.nrrd"), tt.mask)
			}
			for _, check := range []struct {
				got   []error
				words []string
			}{{CheckHeaders(context.Background(), []Case{c}), tt.header}, {CheckVoxels(context.Background(), []Case{c}), tt.voxels}} {
				if check.words == nil {
					if check.got != nil {
						t.Errorf("refused: %v", check.got)
					}
					continue
				}
				if len(check.got) != 1 {
					t.Fatalf("errors %v; one with %q is expected", check.got, check.words)
				}
				wantError(t, check.got[0], append(check.words, "case "+name)...)
			}
		})
	}
}

// modalityNames stands in for a taxonomy.
func modalityNames(spelling string) (string, bool) {
	name, ok := map[string]string{"MRI": "MRI", "CT": "CT", "Dermoscopy": "Dermos", "xray": "Xray"}[spelling]
	return name, ok
}

func TestModalityOfTask(t *testing.T) {
	for task, want := range map[string]string{
		"MRI_ThoracicSpine7": "MRI", "CT_Liver": "CT", "Dermoscopy_Skin": "Dermos", "xray_LeftLung": "Xray", "CT_Lumbar_Spine_1": "CT",
		"Liver": "", "XRAY_Lung": "", "CT_": "", "CT_7": "", "_Liver": "", "": "",
	} {
		if got, ok := ModalityNames(modalityNames).of(task); got != want || ok != (want != "") {
			t.Errorf("%q: %q %t, want %q", task, got, ok, want)
		}
	}
}

func TestMedSegDBExample(t *testing.T) {
	dir := sharedData(t, "medsegdb-example")
	b, err := os.ReadFile(dir + ".expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct {
		Image, Dataset, Sequence, Case, Slice string
		Task                                  string `json:"task_string"`
		Modality                              int    `json:"modality_id"`
		Mask                                  struct {
			Foreground int
			Box        [4]int `json:"bbox_xyxy_inclusive"`
		}
		Stats struct{ Sum float64 } `json:"image_stats"`
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	cases, err := MedSegDB(dir, modalityNames)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != len(want) {
		t.Errorf("%d cases, want %d", len(cases), len(want))
	}
	if problems := CheckVoxels(context.Background(), cases); problems != nil {
		t.Errorf("problems %v", problems)
	}
	for _, c := range cases {
		rel, _ := filepath.Rel(dir, c.MaskPath)
		w, ok := want[filepath.ToSlash(rel)]
		if !ok {
			t.Errorf("unexpected mask %s", rel)
			continue
		}
		if row := map[string]int{"MRI": 7, "Dermos": 4}[c.Modality]; row != w.Modality {
			t.Errorf("%s: modality %s, want that of row %d", rel, c.Modality, w.Modality)
		}
		if c.Dataset != w.Dataset || c.Sequence != w.Sequence || c.ID != w.Case || fmt.Sprint(c.Slice) != w.Slice || c.Labels[1] != w.Task || c.Part != "ID" {
			t.Errorf("%s: %+v, want %+v", rel, c, w)
		}
		samples, _, err := PrepareCase(c, Prep{})
		if err != nil || len(samples) != 1 {
			t.Fatalf("%s: %d samples, %v", rel, len(samples), err)
		}
		s := samples[0]
		box, _ := BoxOf(s.Mask, s.Width)
		area, sum := 0, 0.0
		for _, v := range s.Mask {
			area += int(v)
		}
		for _, v := range s.Image {
			sum += float64(v)
		}
		if [4]int{box.X0, box.Y0, box.X1, box.Y1} != w.Mask.Box || area != w.Mask.Foreground || sum != w.Stats.Sum || s.Channels != 3 {
			t.Errorf("%s: box %v area %d sum %v, want %v", rel, box, area, sum, w)
		}
	}
	// The two sequences of one patient share their drawing: they must stay on one side.
	parts, err := SplitByPatient(cases, []Fraction{{"train", 0.5}, {"test", 0.5}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckDisjoint(parts); err != nil {
		t.Error(err)
	}
}

func TestMedSegDBLayouts(t *testing.T) {
	root := t.TempDir()
	pair := func(dir, name string) {
		touch(t, root, dir+"/npy_imgs/"+name, dir+"/npy_gts/"+name)
	}
	pair("train/FLARE/CT_Liver", "casenum_a_1_sliceid_7.npy")
	pair("train/BraTS/MRI_BrainWholeTumor/FLAIR", "casenum_5_sliceid_2.npy")
	pair("eval/OOD/cross_site/CT_Liver/SLIVER07/inference", "casenum_1_sliceid_3.npy")
	pair("eval/OOD/cross_site/MRI_Spleen/CHAOS/T2W/finetune", "casenum_2_sliceid_3.npy")
	pair("eval/RealWorld/cross_task/CT_LiverCancer/HospitalA/finetune/005_percent", "casenum_3_sliceid_4.npy")
	touch(t, root, "train/FLARE/CT_Liver/npy_imgs/.DS_Store", "train/FLARE/CT_Liver/npy_gts/._casenum_9_sliceid_1.npy", "train/.cache/npy_imgs/x")
	cases, err := MedSegDB(root, modalityNames)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range cases {
		got = append(got, strings.Join([]string{c.Part, c.Shift, c.Dataset, c.Labels[1], c.Sequence, c.ID, fmt.Sprint(c.Slice), c.Modality}, " "))
	}
	want := `inference cross_site SLIVER07 CT_Liver  1 3 CT
finetune cross_site CHAOS MRI_Spleen T2W 2 3 MRI
finetune/005_percent cross_task HospitalA CT_LiverCancer  3 4 CT
train  BraTS MRI_BrainWholeTumor FLAIR 5 2 MRI
train  FLARE CT_Liver  a_1 7 CT`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	below, err := MedSegDB(filepath.Join(root, "eval/OOD/cross_site/MRI_Spleen"), modalityNames)
	if err != nil || len(below) != 1 || below[0].Dataset != "CHAOS" {
		t.Errorf("a folder within the tree: %v, %v", below, err)
	}
	link := filepath.Join(t.TempDir(), "db")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	if linked, err := MedSegDB(link, modalityNames); err != nil || len(linked) != len(cases) {
		t.Errorf("through a link: %d cases, %v", len(linked), err)
	}

	touch(t, root, "train/FLARE/CT_Liver/npy_gts/casenum_b_sliceid_1.npy", "train/FLARE/CT_Liver/npy_imgs/casenum_c_sliceid_1.npy", "train/FLARE/CT_Liver/npy_imgs/other.npy")
	_, err = MedSegDB(root, modalityNames)
	wantError(t, err, "casenum_b_sliceid_1.npy has no image", "casenum_c_sliceid_1.npy has no mask", "other.npy is not named")
	bad := t.TempDir()
	touch(t, bad, "Liver/npy_imgs/casenum_b_sliceid_1.npy", "Liver/npy_gts/casenum_b_sliceid_1.npy")
	_, err = MedSegDB(bad, modalityNames)
	wantError(t, err, "layout of MedSegDB")
	_, err = MedSegDB(t.TempDir(), modalityNames)
	wantError(t, err, "no folder npy_imgs")
}
