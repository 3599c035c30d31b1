package pth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/internal/nearby"

	"github.com/mseg-lang/mseg/ops/tensorfile"
)

// golden is a file that torch wrote, or that somebody broke.
func golden(t testing.TB, elements ...string) string {
	t.Helper()
	return nearby.Path(t, "golden", elements...)
}

type expectation struct {
	Verdict string
	Hostile bool
	Note    string
	Tensors map[string]struct {
		DType  string
		Shape  []int
		Sum    any
		First  []any
		SHA256 string
	}
	Other map[string]any
}

// readAll opens a file and reads every tensor in it.
func readAll(path string) (*File, map[string][]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	out := map[string][]byte{}
	for _, name := range f.Names() {
		if out[name], err = f.Bytes(name); err != nil {
			return nil, nil, err
		}
	}
	return f, out, nil
}

func TestVerdictOnEveryReferenceFile(t *testing.T) {
	raw, err := os.ReadFile(golden(t, "pth", "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var expected struct{ Files map[string]expectation }
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&expected); err != nil {
		t.Fatal(err)
	}
	for name, want := range expected.Files {
		t.Run(strings.TrimSuffix(name, ".pth"), func(t *testing.T) {
			path := golden(t, "pth", name)
			here := t.TempDir()
			t.Chdir(here)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f, values, err := readAll(path)
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 192<<20 {
				t.Errorf("reading took %d MiB", used>>20)
			}
			if left, _ := os.ReadDir(here); len(left) > 0 {
				t.Errorf("it left %v", left)
			}
			switch {
			case want.Verdict == "refuse" && err == nil:
				t.Fatal("it was read, expected an error")
			case want.Verdict == "read" && err != nil:
				t.Fatal(err)
			case err != nil:
				if s := err.Error(); !strings.Contains(s, path) || strings.Contains(s, "\n") || len(s) > len(path)+500 {
					t.Errorf("not an error for people: %s", s)
				}
				t.Log(strings.TrimPrefix(err.Error(), path))
				return
			case want.Verdict == "either":
				return
			}
			want.compare(t, f, values)
		})
	}
}

func (want expectation) compare(t *testing.T, f *File, values map[string][]byte) {
	if len(values) != len(want.Tensors) {
		t.Errorf("%d tensors, expected %d", len(values), len(want.Tensors))
	}
	for name, w := range want.Tensors {
		dtype, dims, ok := f.Shape(name)
		if !ok || dtype != w.DType || !slices.Equal(dims, w.Shape) {
			t.Errorf("%s is %s %v, expected %s %v", name, dtype, dims, w.DType, w.Shape)
			continue
		}
		sum := sha256.Sum256(values[name])
		if got := hex.EncodeToString(sum[:]); got != w.SHA256 {
			t.Errorf("%s: sha256 %s, expected %s", name, got, w.SHA256)
		}
	}
	got := f.Other()
	for name, w := range want.Other {
		if fmt.Sprint(plain(got[name])) != fmt.Sprint(plain(w)) {
			t.Errorf("%s is %v, expected %v", name, got[name], w)
		}
	}
	if len(got) != len(want.Other) {
		t.Errorf("%d other values, expected %d: %v", len(got), len(want.Other), got)
	}
}

// plain makes numbers of the file and of JSON comparable as text.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			return v.String()
		}
		x, _ := v.Float64()
		return x
	case *big.Int:
		return v.String()
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	}
	return v
}

// The sums and first values of expected.json, through Tensor instead of Bytes.
func TestTensorsAsFloats(t *testing.T) {
	raw, err := os.ReadFile(golden(t, "pth", "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var expected struct{ Files map[string]expectation }
	if err := json.Unmarshal(raw, &expected); err != nil {
		t.Fatal(err)
	}
	for name, want := range expected.Files {
		f, err := Open(golden(t, "pth", name))
		if err != nil {
			continue
		}
		defer f.Close()
		for path, w := range want.Tensors {
			got, err := f.Tensor(path)
			if w.DType == "complex64" {
				if err == nil || !strings.Contains(err.Error(), "complex64") {
					t.Errorf("%s %s: %v, expected an error that names the type", name, path, err)
				}
				continue
			}
			if err != nil {
				if w.DType != "int64" || !strings.Contains(err.Error(), "no exact float32") {
					t.Errorf("%s %s: %v", name, path, err)
				}
				continue
			}
			for i, x := range w.First {
				if want, ok := x.(float64); ok && got.Data[i] != float32(want) {
					t.Errorf("%s %s: value %d is %g, expected %g", name, path, i, got.Data[i], want)
				}
				if s, ok := x.(string); ok && !strings.HasPrefix(s, strings.TrimPrefix(fmt.Sprint(got.Data[i]), "+")[:1]) {
					t.Errorf("%s %s: value %d is %g, expected %s", name, path, i, got.Data[i], s)
				}
			}
			if want, ok := w.Sum.(float64); ok {
				sum, scale := 0.0, 0.0
				for _, v := range got.Data {
					sum += float64(v)
					scale += math.Abs(float64(v))
				}
				if !(math.Abs(sum-want) <= 1e-6*(1+scale)) {
					t.Errorf("%s %s: sum %g, expected %g", name, path, sum, want)
				}
			}
		}
	}
}

// The same weights lie beside each other in both formats.
func TestSameWeightsAsSafetensors(t *testing.T) {
	for _, c := range []struct{ folder, pth, safe, prefix string }{
		{"sam-tiny", "weights.pth", "weights.safetensors", ""},
		{"medsam-tiny", "weights.pth", "weights.safetensors", ""},
		{"medsegx-tiny", "weights.pth", "weights.safetensors", ""},
		{"medsegx-tiny-v1", "weights.pth", "weights.safetensors", ""},
		{"checkpoint-resize", "source.pth", "source.safetensors", ""},
		{"sam-med2d-tiny", "trainer.pth", "weights.safetensors", "model/"},
	} {
		t.Run(c.folder, func(t *testing.T) {
			a, err := Open(golden(t, c.folder, c.pth))
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			b, err := tensorfile.Read(golden(t, c.folder, c.safe))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			found := 0
			for _, n := range a.Names() {
				name, ok := strings.CutPrefix(n, c.prefix)
				if !ok {
					continue
				}
				found++
				x, err := a.Tensor(n)
				if err != nil {
					t.Fatal(err)
				}
				y, err := b.Tensor(name)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(x.Dims, y.Dims) || !slices.Equal(x.Data, y.Data) {
					t.Errorf("%s differs", n)
				}
			}
			if found != len(b.Names()) {
				t.Errorf("%d tensors, expected %d", found, len(b.Names()))
			}
		})
	}
}

// The trainer's file holds the trained part as it is after five steps, and the
// state of the optimiser.
func TestTrainerFile(t *testing.T) {
	f, err := Open(golden(t, "medsegx-tiny", "trainer.pth"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Other()["epoch"] != int64(0) || f.Other()["optimizer/param_groups/0/lr"] != 1e-3 {
		t.Errorf("epoch %v, rate %v", f.Other()["epoch"], f.Other()["optimizer/param_groups/0/lr"])
	}
	models, moments := 0, 0
	for _, e := range f.Entries() {
		switch {
		case e.Path[0] == "model":
			models++
		case e.Path[0] == "optimizer" && e.Path[len(e.Path)-1] == "exp_avg":
			moments++
		}
	}
	if models != 200 || moments == 0 {
		t.Errorf("%d tensors of the model, %d moments; expected 200 and some", models, moments)
	}
}
