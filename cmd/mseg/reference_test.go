package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/mseg-lang/mseg/internal/nearby"
	"github.com/mseg-lang/mseg/ops/image"
)

// mseg runs the program as a user does.
func mseg(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command("mseg", args...)
	var out, problem strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problem
	cmd.Env = append(os.Environ(), "MSEG_BACKEND=go")
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	return out.String(), problem.String(), code
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// near compares a value of a JSON output with a reference number.
func near(got any, want float64) bool {
	x, ok := got.(float64)
	return ok && math.Abs(x-want) <= 1e-5*max(1, math.Abs(want))
}

// The numbers of the command are those of the reference implementations, for arrays with --spacing and for images that know theirs.
func TestMetricsCommandAgreesWithReferences(t *testing.T) {
	folder := nearby.Path(t, "golden", "metrics")
	var reference struct {
		Cases map[string]struct {
			Shape   []int
			Spacing []float64
			Values  map[string]any
		}
	}
	readJSON(t, filepath.Join(folder, "expected.json"), &reference)
	arrays, err := image.ReadNPZ(filepath.Join(folder, "cases.npz"))
	if err != nil {
		t.Fatal(err)
	}
	columns := map[string]string{"dice": "dsc", "hd95": "hd95.max.mm", "nsd": "nsd1.edge.mm", "iou": "iou", "assd": "assd.mm"}
	compared := map[string]int{}
	for name, c := range reference.Cases {
		pred, ref := arrays[name+".pred"], arrays[name+".gt"]
		if !slices.Contains(pred.Bytes(), 1) || !slices.Contains(ref.Bytes(), 1) {
			continue // empty masks: the references disagree, the rule is tested where it is defined
		}
		var spacing []string
		for _, s := range c.Spacing {
			spacing = append(spacing, fmt.Sprint(s))
		}
		for _, ext := range []string{".npy", ".nii"} {
			dir := t.TempDir()
			paths := []string{filepath.Join(dir, "pred"+ext), filepath.Join(dir, "ref"+ext)}
			args := []string{"metrics", "--json"}
			for i, a := range []*image.Array{pred, ref} {
				var err error
				if ext == ".npy" {
					err = image.WriteNPY(paths[i], a)
				} else {
					shape, affine := slices.Clone(a.Shape), [4][4]float64{3: {3: 1}}
					slices.Reverse(shape) // images list their fastest axis first
					for k := range 3 {
						affine[k][k] = 1
						if n := len(c.Spacing); k < n {
							affine[k][k] = c.Spacing[n-1-k]
						}
					}
					err = image.Write(paths[i], image.FromSlice(shape, a.Bytes()).WithAffine(affine))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if ext == ".npy" {
				args = append(args, "--spacing", strings.Join(spacing, ","))
			}
			stdout, stderr, code := mseg(t, append(args, paths...)...)
			if code != 0 {
				t.Fatalf("%s%s: exit %d: %s", name, ext, code, stderr)
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(stdout), &got); err != nil {
				t.Fatal(err)
			}
			for column, key := range columns {
				want, ok := c.Values[key].(float64)
				if !ok {
					continue // the references differ
				}
				compared[column+ext]++
				if !near(got[column], want) {
					t.Errorf("%s%s: %s is %v, the reference gives %g", name, ext, column, got[column], want)
				}
			}
		}
	}
	for column := range columns {
		if compared[column+".npy"] < 20 || compared[column+".nii"] < 20 {
			t.Errorf("%s was compared on %d arrays and %d images only", column, compared[column+".npy"], compared[column+".nii"])
		}
	}
}

// Every corner file of the collection is read as it should be, or refused with its name in the message.
func TestInspectReadsTheCornerFiles(t *testing.T) {
	folder := nearby.Path(t, "data", "formats")
	var expected struct {
		Files map[string]struct {
			Verdict                     string
			Axcodes, Shape, Affine, Sum any
			Components                  int
		}
	}
	readJSON(t, filepath.Join(folder, "expected.json"), &expected)
	counts := map[string]int{}
	for name, want := range expected.Files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		ext := image.Extension(path)
		if _, err := os.Stat(path); err != nil || !slices.Contains(image.Extensions(), ext) || ext == ".npz" {
			continue
		}
		stdout, stderr, code := mseg(t, "inspect", "--json", path)
		switch {
		case want.Verdict == "refuse" && code == 0:
			t.Errorf("%s must be refused, but was read", name)
		case want.Verdict == "read" && code != 0:
			t.Errorf("%s must be read: %s", name, stderr)
		}
		counts[want.Verdict]++
		if code != 0 {
			if !strings.Contains(stderr, filepath.Base(path)) || strings.Contains(stderr, "goroutine") {
				t.Errorf("%s: the refusal is %q", name, stderr)
			}
			continue
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, key := range []string{"shape", "dtype", "spacing", "affine", "orientation", "min", "max", "mean", "sum"} {
			if _, ok := got[key]; !ok {
				t.Errorf("%s: there is no key %s", name, key)
			}
		}
		if want.Verdict != "read" {
			continue
		}
		if shape, ok := want.Shape.([]any); ok && ext != ".npy" { // channels are a key of their own; an axis of one behind the third is none
			if n := len(shape); n > 3 && (want.Components > 1 || shape[n-1] == 1.0) {
				want.Shape = shape[:n-1]
			}
		}
		for key, w := range map[string]any{"shape": want.Shape, "affine": want.Affine, "orientation": want.Axcodes, "sum": want.Sum} {
			if _, text := w.(string); w == nil || text && key == "sum" {
				continue // not given, or beyond what a number of JSON holds
			}
			if !sameJSON(got[key], w) {
				t.Errorf("%s: %s is %v, expected %v", name, key, got[key], w)
			}
		}
	}
	if counts["read"] < 10 || counts["refuse"] < 10 {
		t.Errorf("looked at %v files only", counts)
	}
}

// Every command says what it is for, and every flag and argument has a word of explanation.
func TestEveryCommandHasHelp(t *testing.T) {
	k, err := kong.New(&cli{}, kong.Name("mseg"))
	if err != nil {
		t.Fatal(err)
	}
	var visit func(n *kong.Node)
	visit = func(n *kong.Node) {
		if n.Type == kong.CommandNode && n.Help == "" && len(n.Children) == 0 {
			t.Errorf("%s has no help", n.FullPath())
		}
		for _, v := range n.Flags {
			if v.Help == "" {
				t.Errorf("%s --%s has no help", n.FullPath(), v.Name)
			}
		}
		for _, v := range n.Positional {
			if v.Help == "" {
				t.Errorf("%s %s has no help", n.FullPath(), v.Name)
			}
		}
		args := append(strings.Fields(n.FullPath())[1:], "--help")
		stdout, stderr, code := mseg(t, args...)
		if code != 0 || !strings.Contains(stdout, "Usage: "+n.FullPath()) {
			t.Errorf("%v: exit %d, %q %q", args, code, stdout, stderr)
		}
		if n.Help != "" && !strings.Contains(strings.Join(strings.Fields(stdout), " "), strings.Fields(n.Help)[0]) {
			t.Errorf("%v does not show its help: %q", args, stdout)
		}
		for _, c := range n.Children {
			visit(c)
		}
	}
	visit(k.Model.Node)
}
