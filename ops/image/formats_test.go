package image

import (
	"encoding/json"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/internal/nearby"
)

// sharedData finds the folder of test data beside the repository.
func sharedData(t testing.TB, name string) string {
	t.Helper()
	return nearby.Path(t, "data", name)
}

// loose is a number that JSON may hold as a number, as a string where float64 is not exact, or as a word like "nan".
type loose string

func (l *loose) UnmarshalJSON(b []byte) error {
	*l = loose(strings.Trim(string(b), `"`))
	return nil
}

func (l loose) float() float64 {
	switch l {
	case "true":
		return 1
	case "false":
		return 0
	}
	f, _, err := big.ParseFloat(string(l), 10, 80, big.ToNearestEven)
	if err != nil {
		return map[loose]float64{"nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1)}[l]
	}
	v, _ := f.Float64()
	return v
}

type expectation struct {
	Verdict    string
	Shape      []int
	DType      string
	Stored     string          `json:"stored_dtype"`
	First      []loose         `json:"first_values_x_fastest"`
	Last       loose           `json:"last_value"`
	Sum        json.RawMessage // a number, a string, or one per channel
	SumFinite  *float64        `json:"sum_finite"`
	NonFinite  *int
	Affine     [][]loose
	Axcodes    *string
	QForm      *int `json:"qform_code"`
	SForm      *int `json:"sform_code"`
	Raw        *struct{ DType string }
	Rows       []int   `json:"shape_rows_cols"`
	PNG        []loose `json:"values_row_major"`
	FirstC     []loose `json:"first_values_c_order"`
	Members    map[string]expectation
	Components int
	MinMax     []float64 `json:"min_max_finite"`
}

func close64(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-6*max(math.Abs(a), math.Abs(b), 1e-3)
}

// causes are words of which a refusal must hold one: the reason, not merely "cannot read".
var causes = map[string]string{
	"complex64.nii": "complex64", "float128.nii": "float128", "binary1bit.nii": "1-bit", "datatype_0.nii": "unknown",
	"sform_singular.nii": "singular", "sform_nan.nii": "NaN", "sform_zero_matrix.nii": "singular", "slope2_inter_nan.nii": "scl_inter",
	"gz_truncated.nii.gz": "ends early", "gz_bad_crc.nii.gz": "checksum",
	"vox_offset_100_in_header.nii": "vox_offset", "vox_offset_beyond_end.nii": "can hold", "vox_offset_negative.nii": "vox_offset",
	"trunc_half_data.nii": "cut", "trunc_one_byte.nii": "cut", "trunc_in_header.nii": "too short", "empty_file.nii": "too short",
	"dim_lies_larger.nii": "asks for", "dim_huge.nii": "asks for", "dim_negative.nii": "dim[1]", "dim_zero.nii": "dim[2]",
	"dim0_is_0.nii": "dim[0]", "dim0_is_8.nii": "dim[0]", "magic_wrong.nii": "magic", "nifti2_bad_magic_crlf.nii": "text-mode",
	"sizeof_hdr_wrong.nii": "header size", "pair_no_img.hdr": "incomplete", "analyze75.hdr": "Analyze",
	"header_extra_key.npy": "unknown key", "header_missing_key.npy": "fortran_order", "shape_negative.npy": "negative",
	"shape_too_large.npy": "asks for", "shape_overflow.npy": "asks for", "truncated_one_byte.npy": "asks for",
	"magic_wrong.npy": "not a numpy file", "version_9.npy": "version 9", "header_is_code.npy": "not a dictionary",
	"header_len_beyond_file.npy": "header", "empty_file.npy": "ends", "object_array.npy": "pickled", "structured.npy": "structured",
	"complex64.npy": "complex", "datetime.npy": "dates", "unicode.npy": "text", "object_member.npz": "pickled", "empty_axis.npy": "not an image",
	"truncated.nrrd": "cut", "no_endian_16bit.nrrd": "byte order", "type_block.nrrd": "block", "detached_missing.nhdr": "not_there.raw",
	"detached_escapes_folder.nhdr": "outside the folder", "truncated.mha": "cut", "missing_raw.mhd": "no such file",
	"bad_crc.png": "PNG", "truncated.png": "PNG", "nifti1.hdr": "incomplete", "nifti2.hdr": "incomplete", "analyze.hdr": "Analyze",
	"test.mgz": "no known image format", "complex_image.nii.gz": "complex64",
}

func readExpectations(t *testing.T, path string) map[string]expectation {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Files map[string]expectation }
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Files == nil {
		if err := json.Unmarshal(b, &doc.Files); err != nil {
			t.Fatal(err)
		}
	}
	return doc.Files
}

func TestHardFiles(t *testing.T) {
	dir := sharedData(t, "formats")
	seen := map[string]int{}
	for name, want := range readExpectations(t, filepath.Join(dir, "expected.json")) {
		t.Run(name, func(t *testing.T) {
			seen[want.Verdict]++
			checkFile(t, filepath.Join(dir, name), want)
		})
	}
	t.Log(seen)
	if len(seen) != 3 || seen["read"] < 80 || seen["refuse"] < 40 {
		t.Errorf("verdicts seen: %v", seen)
	}
}

func TestPublicFiles(t *testing.T) {
	dir := sharedData(t, "formats/public")
	for name, want := range readExpectations(t, filepath.Join(dir, "expected.json")) {
		if name == "about" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			want.Verdict = "read"
			if want.SumFinite == nil || strings.HasSuffix(name, ".mgz") {
				want.Verdict = "refuse"
			}
			checkFile(t, filepath.Join(dir, name), want)
		})
	}
}

func checkFile(t *testing.T, path string, want expectation) {
	base := filepath.Base(path)
	if strings.HasSuffix(path, ".npz") || strings.HasSuffix(path, ".npy") {
		checkNumpyFile(t, path, want)
		return
	}
	m, err := Read(path)
	header, headerErr := ReadHeader(path)
	if err != nil {
		if want.Verdict == "read" {
			t.Fatal(err)
		}
		cause, listed := causes[base]
		if !listed || !strings.Contains(err.Error(), cause) || !strings.Contains(err.Error(), base[:len(base)-4]) {
			t.Errorf("error %q does not name the cause %q and the file", err, cause)
		}
		return
	}
	if want.Verdict == "refuse" {
		t.Fatalf("was read: shape %v, warnings %q", m.Shape, m.Warnings)
	}
	if headerErr != nil {
		t.Fatalf("header alone is refused: %v", headerErr)
	}
	if header.Loaded() || !slices.Equal(header.Shape, m.Shape) || header.Affine != m.Affine || header.DType != m.DType {
		t.Errorf("ReadHeader gives %v %v %s, Read %v %v %s", header.Shape, header.Affine, header.DType, m.Shape, m.Affine, m.DType)
	}
	if strings.HasSuffix(path, ".png") {
		checkPNG(t, m, want)
		return
	}
	checkValues(t, m, want)
	checkGeometry(t, m, want)
}

func checkValues(t *testing.T, m *Image, want expectation) {
	if want.Shape == nil {
		return // a verdict without values
	}
	shape := slices.Clone(want.Shape)
	if want.Components > 1 || strings.HasPrefix(want.DType, "V") {
		if want.Components > 1 {
			shape = shape[:len(shape)-1]
		}
		if m.Channels < 3 {
			t.Errorf("%d channels", m.Channels)
		}
	}
	if got := m.Shape; !slices.Equal(got, trimAxes(shape)) {
		t.Errorf("shape %v, want %v", got, shape)
	}
	stored := DType(strings.TrimLeft(want.DType, "<>|="))
	if want.Raw != nil {
		stored = DType(strings.TrimLeft(want.Raw.DType, "<>|="))
	}
	if stored.Size() > 0 && m.DType != stored {
		t.Errorf("stored type %s, want %s", m.DType, stored)
	}
	v := m.Float64()
	for i, w := range want.First {
		if !close64(v[i], w.float()) {
			t.Errorf("value %d is %v, want %s", i, v[i], w)
		}
	}
	if want.Last != "" && !close64(v[len(v)-1], want.Last.float()) {
		t.Errorf("last value %v, want %s", v[len(v)-1], want.Last)
	}
	st := m.Stats()
	if want.SumFinite != nil && !(math.Abs(st.Sum-*want.SumFinite) <= 1e-9*max(1, math.Abs(*want.SumFinite))*10) {
		t.Errorf("sum %v, want %v", st.Sum, *want.SumFinite)
	}
	if want.NonFinite != nil && st.NaN+st.Inf != *want.NonFinite {
		t.Errorf("%d NaN and %d infinite, want %d", st.NaN, st.Inf, *want.NonFinite)
	}
	if want.MinMax != nil && (!close64(st.Min, want.MinMax[0]) || !close64(st.Max, want.MinMax[1])) {
		t.Errorf("range %v to %v, want %v", st.Min, st.Max, want.MinMax)
	}
	if want.Sum != nil && want.Sum[0] != '[' {
		if exact := strings.Trim(string(want.Sum), `"`); st.IntegerSum == nil || st.IntegerSum.String() != exact {
			t.Errorf("exact sum %v, want %s", st.IntegerSum, exact)
		}
	} else if want.Sum != nil {
		var sums []float64
		if err := json.Unmarshal(want.Sum, &sums); err != nil {
			t.Fatal(err)
		}
		n := m.Voxels()
		for c, w := range sums {
			var sum float64
			for _, x := range v[c*n : (c+1)*n] {
				sum += x
			}
			if sum != w {
				t.Errorf("channel %d sums to %v, want %v", c, sum, w)
			}
		}
	}
}

func checkGeometry(t *testing.T, m *Image, want expectation) {
	scale := 1.0
	for _, w := range m.Warnings {
		if strings.Contains(w, "micrometres") {
			scale = 1e-3
		} else if strings.Contains(w, "metres") {
			scale = 1000
		}
	}
	for i, row := range want.Affine {
		for j, w := range row {
			if i < 3 && !(math.Abs(m.Affine[i][j]-w.float()*scale) <= 1e-5*max(1, math.Abs(w.float()*scale))) {
				t.Errorf("affine[%d][%d] is %v, want %v × %v", i, j, m.Affine[i][j], w.float(), scale)
			}
		}
	}
	if want.Axcodes != nil && m.Axcodes() != *want.Axcodes {
		t.Errorf("axes %s, want %s", m.Axcodes(), *want.Axcodes)
	}
	if want.QForm != nil && (m.QFormCode != *want.QForm || m.SFormCode != *want.SForm) {
		t.Errorf("form codes %d %d, want %d %d", m.QFormCode, m.SFormCode, *want.QForm, *want.SForm)
	}
	if want.QForm != nil && m.HasGeometry != (*want.QForm > 0 || *want.SForm > 0) {
		t.Errorf("HasGeometry %v with codes %d %d", m.HasGeometry, *want.QForm, *want.SForm)
	}
	if !m.HasGeometry && len(m.Shape) > 2 && len(m.Warnings) == 0 {
		t.Error("no warning about the unknown orientation")
	}
}

func checkPNG(t *testing.T, m *Image, want expectation) {
	rows, cols := want.Rows[0], want.Rows[1]
	if !slices.Equal(m.Shape, []int{cols, rows}) || m.HasSpacing || m.HasGeometry {
		t.Fatalf("shape %v, want %v", m.Shape, want.Rows)
	}
	per := 1
	if len(want.Rows) == 3 {
		per = want.Rows[2]
	}
	for i, w := range want.PNG {
		c, p := i%per, i/per
		if c >= m.Channels {
			if per == 2 { // alpha
				continue
			}
			t.Fatalf("%d channels, want %d", m.Channels, per)
		}
		if got := m.AtChannel(c, p%cols, p/cols, 0); got != w.float() {
			t.Errorf("pixel %d channel %d is %v, want %s", p, c, got, w)
		}
	}
}

func checkNumpyFile(t *testing.T, path string, want expectation) {
	members := map[string]expectation{"": want}
	var got map[string]*Array
	var err error
	if strings.HasSuffix(path, ".npz") {
		members = want.Members
		got, err = ReadNPZ(path)
	} else {
		var a *Array
		a, err = ReadNPY(path)
		got = map[string]*Array{"": a}
	}
	if err != nil {
		cause, listed := causes[filepath.Base(path)]
		if want.Verdict == "read" || !listed || !strings.Contains(err.Error(), cause) || !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Errorf("error %q, cause %q", err, cause)
		}
		return
	}
	if want.Verdict == "refuse" {
		t.Fatal("was read")
	}
	for name, w := range members {
		a := got[name]
		if a == nil {
			t.Fatalf("member %q is missing", name)
		}
		if !slices.Equal(a.Shape, w.Shape) || w.DType != "" && string(a.DType) != w.DType {
			t.Errorf("%q: shape %v type %s, want %v %s", name, a.Shape, a.DType, w.Shape, w.DType)
		}
		values := a.Float64()
		for i, x := range w.FirstC {
			if !close64(values[i], x.float()) {
				t.Errorf("%q: value %d is %v, want %s", name, i, values[i], x)
			}
		}
		for i, x := range w.First { // first axis fastest
			if at := fortranIndex(i, a.Shape); !close64(values[at], x.float()) {
				t.Errorf("%q: value %d in Fortran order is %v, want %s", name, i, values[at], x)
			}
		}
		m := &Image{Shape: []int{a.Len()}, Channels: 1, DType: a.DType, Slope: 1, data: a.data}
		if st := m.Stats(); w.Sum != nil && a.Len() > 0 && st.IntegerSum.String() != strings.Trim(string(w.Sum), `"`) {
			t.Errorf("%q: sum %v, want %s", name, st.IntegerSum, w.Sum)
		} else if w.SumFinite != nil && !(math.Abs(st.Sum-*w.SumFinite) <= 1e-9*math.Abs(*w.SumFinite)) {
			t.Errorf("%q: sum %v, want %v", name, st.Sum, *w.SumFinite)
		}
	}
}

func fortranIndex(i int, shape []int) int {
	at, index := 0, make([]int, len(shape))
	for a, d := range shape {
		index[a] = i % d
		i /= d
	}
	for a, d := range shape {
		at = at*d + index[a]
	}
	return at
}
