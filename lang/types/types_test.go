package types

import "testing"

func TestFits(t *testing.T) {
	for _, c := range []struct {
		have, want string
		fits       bool
	}{
		{"number", "number", true},
		{"number<px>", "number<px>", true},
		{"number<px>", "number<mm>", false},
		{"number", "number<px>", false},
		{"number<px>", "number", false},
		{"number<px>", "number<px,mm>", true},
		{"list<loss>", "list<metric>", false},
		{"list<loss>", "list<any>", true},
		{"string", "file", true},
		{"word<axis>", "word<all> | word<axis>", true},
		{"data", "model", false},
		{"any", "model", true},
	} {
		if got := Parse(c.have).Fits(Parse(c.want)); got != c.fits {
			t.Errorf("%s fits %s: %t, want %t", c.have, c.want, got, c.fits)
		}
	}
}

func TestConvertIsExactOnly(t *testing.T) {
	if v, ok := Convert(2, "cm", "mm"); !ok || v != 20 {
		t.Errorf("2 cm = %v mm, %t", v, ok)
	}
	if _, ok := Convert(2, "px", "mm"); ok {
		t.Error("px became mm without a spacing")
	}
}

func TestFactor(t *testing.T) {
	for v, want := range map[float64][2]int{2: {2, 1}, 1: {1, 1}, 0.5: {1, 2}, 1.0 / 3: {1, 3}, 0.333333: {1, 3}, 0.0625: {1, 16},
		0.33: {}, 1.5: {}, 0.4: {}, 0: {}, -2: {}, 1e12: {}, 1e-12: {}} {
		num, den, ok := Factor(v)
		if ok != (want != [2]int{}) || [2]int{num, den} != want {
			t.Errorf("%g is %d/%d, %t; expected %v", v, num, den, ok, want)
		}
	}
}
