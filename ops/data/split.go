package data

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Owned is what can be split: a Case or a Sample.
type Owned interface {
	Owner() string // the patient, unique across data sets
	Key() string   // unique across items
}

// Fraction asks for a share of the patients under a name such as train.
type Fraction struct {
	Name  string
	Share float64 // 0 to 1
}

// Part is one side of a split.
type Part[T Owned] struct {
	Name     string
	Items    []T      // in their original order
	Patients []string // owners, sorted
}

// rank orders names by a hash of seed, purpose and name: a shuffle that depends on nothing else, so that a patient who is
// added or removed moves few others.
func rank(names []string, seed uint64, purpose string) []string {
	type keyed struct {
		key  [32]byte
		name string
	}
	all := make([]keyed, len(names))
	for i, n := range names {
		head := binary.LittleEndian.AppendUint64(nil, seed)
		all[i] = keyed{sha256.Sum256(append(head, purpose+"\x00"+n...)), n}
	}
	slices.SortFunc(all, func(a, b keyed) int {
		if c := slices.Compare(a.key[:], b.key[:]); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	out := make([]string, len(all))
	for i, k := range all {
		out[i] = k.name
	}
	return out
}

func distinct[T any](items []T, name func(T) string) []string {
	var out []string
	for _, x := range items {
		out = append(out, name(x))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// SplitByPatient deals the patients out, all items of a patient together. The same items and seed give the same split, in
// whatever order the items come. Numbers of patients are rounded so that they add up (largest remainder), and every part
// whose share is above 0 gets at least one patient. Shares must add up to 1.
func SplitByPatient[T Owned](items []T, fractions []Fraction, seed uint64) ([]Part[T], error) {
	total := 0.0
	used := 0
	for i, f := range fractions {
		if !(f.Share >= 0 && f.Share <= 1) {
			return nil, fmt.Errorf("part %s has the share %g; 0 to 1 is possible", f.Name, f.Share)
		}
		for _, g := range fractions[:i] {
			if f.Name == g.Name {
				return nil, fmt.Errorf("part %s is named twice", f.Name)
			}
		}
		if f.Share > 0 {
			used++
		}
		total += f.Share
	}
	if math.Abs(total-1) > 1e-6 {
		return nil, fmt.Errorf("the shares of the parts add up to %g %%, not to 100 %%", math.Round(total*1e8)/1e6)
	}
	patients := rank(distinct(items, T.Owner), seed, "split")
	if len(patients) < used {
		return nil, fmt.Errorf("%d patients cannot fill %d parts; every part needs at least one", len(patients), used)
	}
	counts := shares(fractions, len(patients))
	parts := make([]Part[T], len(fractions))
	owner := map[string]int{}
	for i, n := range counts {
		parts[i].Name = fractions[i].Name
		parts[i].Patients = slices.Sorted(slices.Values(patients[:n]))
		for _, p := range patients[:n] {
			owner[p] = i
		}
		patients = patients[n:]
	}
	for _, x := range items {
		i := owner[x.Owner()]
		parts[i].Items = append(parts[i].Items, x)
	}
	return parts, nil
}

// shares rounds n times each share to whole numbers that add up to n.
func shares(fractions []Fraction, n int) []int {
	counts := make([]int, len(fractions))
	rest := n
	for i, f := range fractions {
		counts[i] = int(f.Share*float64(n) + 1e-9)
		if f.Share > 0 && counts[i] == 0 {
			counts[i] = 1
		}
		rest -= counts[i]
	}
	for rest != 0 {
		best, most := -1, math.Inf(-1)
		for i, f := range fractions {
			lack := f.Share*float64(n) - float64(counts[i])
			if rest < 0 {
				lack = -lack
			}
			if f.Share > 0 && lack > most && (rest > 0 || counts[i] > 1) {
				best, most = i, lack
			}
		}
		step := 1
		if rest < 0 {
			step = -1
		}
		counts[best] += step
		rest -= step
	}
	return counts
}

// CheckDisjoint refuses parts that share a patient: scores on the one would be answers learnt from the other. The error
// names the patients and the parts.
func CheckDisjoint[T Owned](parts []Part[T]) error {
	first := map[string]string{}
	shared := map[string][]string{}
	for _, p := range parts {
		for _, patient := range distinct(p.Items, T.Owner) {
			if other, ok := first[patient]; ok {
				pair := other + " and " + p.Name
				shared[pair] = append(shared[pair], patient)
				continue
			}
			first[patient] = p.Name
		}
	}
	var problems []error
	for _, pair := range slices.Sorted(maps.Keys(shared)) {
		names := shared[pair]
		n := len(names)
		if n > 5 {
			names = append(names[:5:5], fmt.Sprintf("and %d more", n-5))
		}
		problems = append(problems, fmt.Errorf("%d patients are both in %s: %s", n, pair, strings.Join(names, ", ")))
	}
	return errors.Join(problems...)
}

// TakePatients keeps the items of a share of the patients, rounded up to at least one. Shares are nested: with one seed, the
// patients of 5 % are among those of 15 %.
func TakePatients[T Owned](items []T, share float64, seed uint64) ([]T, error) {
	return take(items, share, seed, T.Owner)
}

// TakeSamples keeps a share of the items whoever they belong to, nested in the same way. Slices of one patient look alike,
// so a share of the items carries more than this share of the information of as many patients.
func TakeSamples[T Owned](items []T, share float64, seed uint64) ([]T, error) {
	return take(items, share, seed, T.Key)
}

func take[T Owned](items []T, share float64, seed uint64, unit func(T) string) ([]T, error) {
	if !(share > 0 && share <= 1) {
		return nil, fmt.Errorf("a share of %g %% cannot be taken; above 0 %% and up to 100 %% is possible", share*100)
	}
	names := rank(distinct(items, unit), seed, "take")
	keep := map[string]bool{}
	for _, n := range names[:int(math.Ceil(share*float64(len(names))-1e-9))] {
		keep[n] = true
	}
	var out []T
	for _, x := range items {
		if keep[unit(x)] {
			out = append(out, x)
		}
	}
	return out, nil
}
