package models

import (
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/models/experts"
)

// The counts are those of the reference implementation, which was asked for
// them (92.1 M, 312 M and 642 M are also what the paper's models are called).
func TestParameterCountsOfMedSegX(t *testing.T) {
	for _, c := range []struct {
		architecture     string
		total, trainable int
		parts            map[string]int
	}{
		{"vit_b", 92_089_240, 5_410_380, map[string]int{Adapters: 1_371_168, Embeddings: 2_864, Decoder: 4_036_348}},
		{"vit_l", 311_994_040, 7_690_860, nil},
		{"vit_h", 642_176_120, 10_120_492, nil},
	} {
		t.Run(c.architecture, func(t *testing.T) {
			mixture := experts.Published()
			m, err := Build(Config{Architecture: c.architecture, Experts: &mixture})
			if err != nil {
				t.Fatal(err)
			}
			count := func(group string) int {
				keep, err := m.Group(group)
				if err != nil {
					t.Fatal(err)
				}
				return m.Count(keep)
			}
			if got := m.Count(nil); got != c.total {
				t.Errorf("%d parameters, expected %d", got, c.total)
			}
			if got := count(Experts) + count(Decoder); got != c.trainable {
				t.Errorf("%d parameters of experts and decoder, expected %d", got, c.trainable)
			}
			for part, want := range c.parts {
				if got := count(part); got != want {
					t.Errorf("%d parameters of %s, expected %d", got, part, want)
				}
			}
		})
	}
}

func TestParameterCountOfSAM(t *testing.T) {
	m, err := Build(Config{Architecture: "sam_plain"})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Count(nil); got != 93_735_472 {
		t.Errorf("%d parameters, expected 93,735,472", got)
	}
}

func TestGroupsCoverEverythingOnce(t *testing.T) {
	mixture := experts.Published()
	for _, cfg := range []Config{{Architecture: "tiny"}, {Architecture: "tiny", Experts: &mixture}, {Architecture: "unet"},
		{Architecture: "vit", Image: 64, Experts: &mixture}, {Architecture: "unet", Experts: &mixture}, {Architecture: "residual_unet", Image: 32, Levels: 3, Deep: true, Experts: &mixture}} {
		m, err := Build(cfg)
		if err != nil {
			t.Fatal(err)
		}
		all, err := m.Group(All)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range m.Parameters {
			in := 0
			for _, g := range m.Groups() {
				if g == Experts || g == All {
					continue
				}
				keep, err := m.Group(g)
				if err != nil {
					t.Fatal(err)
				}
				if keep(p.Name) {
					in++
				}
			}
			want := 1
			if strings.Contains(p.Name, "gaussian") {
				want = 0
			}
			if in != want || all(p.Name) != (want == 1) {
				t.Errorf("%s: %s lies in %d parts, expected %d", cfg.Architecture, p.Name, in, want)
			}
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	mixture := experts.Published()
	outside := mixture
	outside.Blocks = []int{4}
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"unknown name":          {Config{Architecture: "vit_x"}, "choose one of tiny"},
		"size between patches":  {Config{Architecture: "tiny", Image: 100}, "multiple of 8"},
		"level that is not one": {Config{Architecture: "unet", Levels: 4, Experts: &outside}, "block 4 does not exist"},
		"stages of a ViT":       {Config{Architecture: "tiny", Deep: true}, "unet only"},
		"blocks by level":       {Config{Architecture: "residual_unet", Levels: 3, Convolutions: []int{1, 2}}, "for 2 levels, expected 3"},
		"size of a vit":         {Config{Architecture: "vit", Size: "vit_x"}, "choose one of tiny, vit_b"},
		"no plan":               {Config{Architecture: "nnunet"}, "nothing was planned"},
		"size of a U-Net":       {Config{Architecture: "unet", Image: 100}, "multiple of 16"},
		"prompt of a ViT":       {Config{Architecture: "tiny", NoPrompt: true}, "unet only"},
		"block that is not one": {Config{Architecture: "tiny", Experts: &outside}, "block 4 does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Build(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, expected an error with %q", err, c.want)
			}
		})
	}
}

func TestGroupThatIsNotThere(t *testing.T) {
	m, err := Build(Config{Architecture: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Group(Experts); err == nil || !strings.Contains(err.Error(), "it has encoder, prompt, decoder, all") {
		t.Errorf("got %v, expected the groups that are there", err)
	}
}
