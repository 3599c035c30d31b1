package metric_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/internal/nearby"

	"github.com/mseg-lang/mseg/ops/image"
	"github.com/mseg-lang/mseg/ops/metric"
)

// golden locates a file of the reference values that lie beside the repository.
func golden(t testing.TB, name string) string {
	t.Helper()
	return nearby.Path(t, "golden", "metrics", name)
}

type goldenCase struct {
	Shape   []int
	Spacing []float64
	Counts  struct{ TP, FP, FN, TN int }
	Values  map[string]json.RawMessage
}

// goldenSpecs says which specification has which key in the golden file, and
// under which rule for empty masks the file's unanimous value is expected.
var goldenSpecs = map[string]metric.Spec{
	"dsc":                      {Name: "dice"},
	"iou":                      {Name: "iou"},
	"sensitivity":              {Name: "sensitivity"},
	"specificity":              {Name: "specificity"},
	"precision":                {Name: "precision"},
	"hd100.max.px":             {Name: "hd", Unit: "px"},
	"hd100.max.mm":             {Name: "hd", Unit: "mm"},
	"hd95.max.px":              {Name: "hd95", Unit: "px"},
	"hd95.max.mm":              {Name: "hd95", Unit: "mm"},
	"hd95.medsegx.px":          {Name: "hd95", Variant: "medsegx", Unit: "px"},
	"hd95.pooled.px":           {Name: "hd95", Variant: "pooled", Unit: "px"},
	"hd95.pooled.mm":           {Name: "hd95", Variant: "pooled", Unit: "mm"},
	"hd100.surfel.px":          {Name: "hd", Variant: "surfel", Unit: "px"},
	"hd100.surfel.mm":          {Name: "hd", Variant: "surfel", Unit: "mm"},
	"hd95.surfel.px":           {Name: "hd95", Variant: "surfel", Unit: "px"},
	"hd95.surfel.mm":           {Name: "hd95", Variant: "surfel", Unit: "mm"},
	"nsd1.edge.px":             {Name: "nsd", Unit: "px", Tolerance: 1},
	"nsd2.edge.px":             {Name: "nsd", Unit: "px", Tolerance: 2},
	"nsd1.edge.mm":             {Name: "nsd", Unit: "mm", Tolerance: 1},
	"nsd2.edge.mm":             {Name: "nsd", Unit: "mm", Tolerance: 2},
	"nsd1.surfel.px":           {Name: "nsd", Variant: "surfel", Unit: "px", Tolerance: 1},
	"nsd2.surfel.px":           {Name: "nsd", Variant: "surfel", Unit: "px", Tolerance: 2},
	"nsd1.surfel.mm":           {Name: "nsd", Variant: "surfel", Unit: "mm", Tolerance: 1},
	"nsd2.surfel.mm":           {Name: "nsd", Variant: "surfel", Unit: "mm", Tolerance: 2},
	"assd.px":                  {Name: "assd", Unit: "px"},
	"assd.mm":                  {Name: "assd", Unit: "mm"},
	"masd.px":                  {Name: "masd", Unit: "px"},
	"masd.mm":                  {Name: "masd", Unit: "mm"},
	"asd.pred_to_gt.mm":        {Name: "asd_pred", Unit: "mm"},
	"asd.gt_to_pred.mm":        {Name: "asd_ref", Unit: "mm"},
	"asd.pred_to_gt.surfel.px": {Name: "asd_pred", Variant: "surfel", Unit: "px"},
	"asd.gt_to_pred.surfel.px": {Name: "asd_ref", Variant: "surfel", Unit: "px"},
	"asd.pred_to_gt.surfel.mm": {Name: "asd_pred", Variant: "surfel", Unit: "mm"},
	"asd.gt_to_pred.surfel.mm": {Name: "asd_ref", Variant: "surfel", Unit: "mm"},
	"rvd.signed":               {Name: "rvd"},
	"rvd.abs":                  {Name: "avd"},
	"cldice":                   {Name: "cldice"},
	"boundary_iou1":            {Name: "boundary_iou", Unit: "px", Tolerance: 1},
}

// derived keys are parts of other metrics and are checked in their own test.
var derived = []string{"cldice.topology_precision", "cldice.topology_sensitivity"}

func loadGolden(t testing.TB) (map[string]goldenCase, map[string]*image.Array) {
	t.Helper()
	b, err := os.ReadFile(golden(t, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases map[string]goldenCase }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	arrays, err := image.ReadNPZ(golden(t, "cases.npz"))
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) != 40 {
		t.Fatalf("golden file has %d cases, expected 40", len(file.Cases))
	}
	return file.Cases, arrays
}

func mask(a *image.Array, spacing []float64) metric.Mask {
	return metric.Mask{Data: a.Bytes(), Shape: a.Shape, Spacing: spacing}
}

// references lists what each reference implementation gives for one value.
func references(t *testing.T, raw json.RawMessage) map[string]float64 {
	t.Helper()
	one := func(v any) (float64, bool) {
		switch v := v.(type) {
		case float64:
			return v, true
		case string:
			switch {
			case v == "nan":
				return math.NaN(), true
			case v == "inf":
				return math.Inf(1), true
			case strings.HasPrefix(v, "error"):
				return 0, false
			}
		}
		t.Fatalf("golden value %v of unknown form", v)
		return 0, false
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	if m, ok := v.(map[string]any); ok {
		for name, v := range m["differ"].(map[string]any) {
			if f, ok := one(v); ok {
				out[name] = f
			}
		}
		return out
	}
	if f, ok := one(v); ok {
		out["all"] = f
	}
	return out
}

func close(a, b, tolerance float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.IsNaN(a) && math.IsNaN(b)
	}
	return a == b || math.Abs(a-b) <= tolerance*max(math.Abs(a), math.Abs(b), 1e-9)
}

// TestGolden compares every value of every case with the reference
// implementations. Where the masks have foreground they agree among each other
// and so must we; where one is empty the value must be that of one of them under
// the rule that follows it, or be one of ours that is written in the table of
// Empty.
func TestGolden(t *testing.T) {
	cases, arrays := loadGolden(t)
	compared := 0
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pred, ref := mask(arrays[name+".pred"], c.Spacing), mask(arrays[name+".gt"], c.Spacing)
			counts, err := metric.Count(pred, ref)
			if err != nil {
				t.Fatal(err)
			}
			if want := metric.Counts(c.Counts); counts != want {
				t.Errorf("counts %+v, expected %+v", counts, want)
			}
			for key, raw := range c.Values {
				if slices.Contains(derived, key) || key == "cldice" && len(c.Shape) == 2 {
					continue // see TestCentreLineGolden
				}
				spec, ok := goldenSpecs[key]
				if !ok {
					t.Errorf("golden key %s is compared with nothing", key)
					continue
				}
				want := references(t, raw)
				if len(want) == 0 {
					continue // every reference raises an error
				}
				var got []string
				matched := false
				for _, rule := range []metric.Empty{metric.Worst, metric.NaN, metric.Inf, metric.MedSegX} {
					r, err := metric.Compute(pred, ref, []metric.Spec{spec}, rule)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, fmt.Sprintf("%s: %v", rule, r[0].Value))
					for _, v := range want {
						matched = matched || close(r[0].Value, v, 1e-5)
					}
					if empty := counts.TP+counts.FP == 0 || counts.TP+counts.FN == 0; !empty {
						matched = false
						for _, v := range want {
							matched = matched || close(r[0].Value, v, 1e-5)
						}
						if !matched {
							break
						}
					}
				}
				if !matched {
					t.Errorf("%s = %v, expected %v", key, got, want)
				}
				compared++
			}
		})
	}
	t.Logf("%d values compared", compared)
}

// TestSkeletonGolden holds for volumes: the reference skeletons of images are
// thinned by another method.
func TestSkeletonGolden(t *testing.T) {
	cases, arrays := loadGolden(t)
	skeletons, err := image.ReadNPZ(golden(t, "skeletons.npz"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range cases {
		if len(c.Shape) != 3 {
			continue
		}
		for _, role := range []string{".pred", ".gt"} {
			got, err := metric.Skeleton(mask(arrays[name+role], nil))
			if err != nil {
				t.Fatal(err)
			}
			wrong := 0
			for i, v := range skeletons[name+role].Bytes() {
				if (v != 0) != (got.Data[i] != 0) {
					wrong++
				}
			}
			if wrong != 0 {
				t.Errorf("%s%s: %d pixels differ from the reference skeleton", name, role, wrong)
			}
		}
	}
}

// TestCentreLineGolden checks the formula on the reference's own skeletons.
func TestCentreLineGolden(t *testing.T) {
	cases, arrays := loadGolden(t)
	skeletons, err := image.ReadNPZ(golden(t, "skeletons.npz"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range cases {
		got, err := metric.CentreLineDice(mask(arrays[name+".pred"], nil), mask(arrays[name+".gt"], nil),
			mask(skeletons[name+".pred"], nil), mask(skeletons[name+".gt"], nil))
		if err != nil {
			t.Fatal(err)
		}
		if want := references(t, c.Values["cldice"])["all"]; !close(got, want, 1e-9) {
			t.Errorf("%s: clDice %v, expected %v", name, got, want)
		}
	}
}
