package data

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func people(n, slicesEach int) []Sample {
	var out []Sample
	for i := range n {
		for k := range slicesEach {
			out = append(out, Sample{Dataset: []string{"A", "B"}[i%2], Patient: fmt.Sprint("p", i/2), ID: "x", Slice: k, Task: "CT_Liver"})
		}
	}
	return out
}

func TestSplitByPatient(t *testing.T) {
	items := people(25, 3)
	fractions := []Fraction{{"train", 0.6}, {"val", 0.2}, {"test", 0.2}}
	parts, err := SplitByPatient(items, fractions, 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckDisjoint(parts); err != nil {
		t.Error(err)
	}
	total := 0
	for i, p := range parts {
		total += len(p.Items)
		if want := []int{15, 5, 5}[i]; len(p.Patients) != want || len(p.Items) != 3*want {
			t.Errorf("%s has %d patients and %d items, want %d", p.Name, len(p.Patients), len(p.Items), want)
		}
	}
	if total != len(items) {
		t.Errorf("%d of %d items", total, len(items))
	}
	shuffled := slices.Clone(items)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	again, err := SplitByPatient(shuffled, fractions, 7)
	if err != nil {
		t.Fatal(err)
	}
	other, err := SplitByPatient(items, fractions, 8)
	if err != nil {
		t.Fatal(err)
	}
	for i := range parts {
		if !slices.Equal(parts[i].Patients, again[i].Patients) {
			t.Errorf("%s depends on the order of the items", parts[i].Name)
		}
	}
	if slices.Equal(parts[0].Patients, other[0].Patients) {
		t.Error("another seed gives the same split")
	}
	// One more patient moves few of the others.
	more, err := SplitByPatient(append(slices.Clone(items), Sample{Dataset: "A", Patient: "new"}), fractions, 7)
	if err != nil {
		t.Fatal(err)
	}
	stayed := 0
	for i := range parts {
		for _, p := range parts[i].Patients {
			if slices.Contains(more[i].Patients, p) {
				stayed++
			}
		}
	}
	if stayed < 23 {
		t.Errorf("only %d of 25 patients stayed where they were", stayed)
	}
}

func TestSplitNumbers(t *testing.T) {
	for n := 3; n < 60; n++ {
		for _, f := range [][]Fraction{{{"a", 0.6}, {"b", 0.2}, {"c", 0.2}}, {{"a", 0.9}, {"b", 0.05}, {"c", 0.05}}, {{"a", 1}}, {{"a", 0.5}, {"b", 0}, {"c", 0.5}}} {
			parts, err := SplitByPatient(people(n, 1), f, 1)
			if err != nil {
				t.Fatalf("%d patients: %v", n, err)
			}
			sum := 0
			for i, p := range parts {
				got := len(p.Patients)
				sum += got
				if (got == 0) != (f[i].Share == 0) {
					t.Errorf("%d patients, share %v: %d", n, f[i].Share, got)
				}
				if n >= 40 && !(math.Abs(float64(got)-f[i].Share*float64(n)) <= 1) {
					t.Errorf("%d patients, share %v: %d", n, f[i].Share, got)
				}
			}
			if sum != n {
				t.Errorf("%d of %d patients", sum, n)
			}
		}
	}
	for name, tt := range map[string]struct {
		f    []Fraction
		word string
	}{
		"sum":      {[]Fraction{{"a", 0.6}, {"b", 0.6}}, "120 %"},
		"negative": {[]Fraction{{"a", 1.5}, {"b", -0.5}}, "1.5"},
		"twice":    {[]Fraction{{"a", 0.5}, {"a", 0.5}}, "twice"},
		"few":      {[]Fraction{{"a", 0.5}, {"b", 0.25}, {"c", 0.25}}, "2 patients cannot fill 3"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := SplitByPatient(people(2, 4), tt.f, 1)
			wantError(t, err, tt.word)
		})
	}
}

func TestCheckDisjointNamesThePatient(t *testing.T) {
	parts := []Part[Case]{
		{Name: "train", Items: []Case{{Dataset: "A", Patient: "1"}, {Dataset: "A", Patient: "2"}}},
		{Name: "test", Items: []Case{{Dataset: "B", Patient: "1"}, {Dataset: "A", Patient: "2"}}},
	}
	wantError(t, CheckDisjoint(parts), "1 patients", "train and test", "A/2")
}

func TestTakeIsNested(t *testing.T) {
	items := people(40, 5)
	for name, take := range map[string]func([]Sample, float64, uint64) ([]Sample, error){"patients": TakePatients[Sample], "samples": TakeSamples[Sample]} {
		var before []Sample
		for _, share := range []float64{0.05, 0.15, 0.25, 0.5, 1} {
			got, err := take(items, share, 3)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != int(math.Round(share*200)) {
				t.Errorf("%s: %v of 200 items are %d", name, share, len(got))
			}
			for _, b := range before {
				if !slices.ContainsFunc(got, func(s Sample) bool { return s.Key() == b.Key() }) {
					t.Fatalf("%s: %s of a smaller share is not in %v", name, b.Key(), share)
				}
			}
			before = got
		}
		if _, err := take(items, 0, 3); err == nil {
			t.Error("a share of nothing was taken")
		}
	}
}
