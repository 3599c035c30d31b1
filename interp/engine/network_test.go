package engine

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// Numbers of parameters as published or as the reference implementations give them, through the language. For SAM-Med2D the sum over SAM's
// layers at 256 px and twelve adapters; its paper says 271 M.
func TestParameterCountsNeedNoWeights(t *testing.T) {
	const text = `mseg 1
experts context = mixture(4)
model medsegx = sam_vit_b() |> adapt(context)
model large = sam_vit_l() |> adapt(context)
model huge = sam_vit_h() |> adapt(context)
expect medsegx.params == 92089240
expect medsegx.trainable == 5410380
expect large.params == 311994040
expect large.trainable == 7690860
expect huge.params == 642176120
expect huge.trainable == 10120492
expect sam().params == 93735472
expect sam(vit_l).params == 312342832
expect sam(vit_h).params == 641090608
expect medsam().params == 93735472
expect sam_med2d().params == 271241776
`
	var events []Event
	e := newEngine(t, Config{Events: func(Event) {}})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, out := runAll(t, e, &events, text)
	runtime.ReadMemStats(&after)
	for _, x := range out.Expects {
		if !x.Holds {
			t.Errorf("%s: %s", x.Expect.Text, x.Found)
		}
	}
	// The weights of ViT-B alone are 350 MB.
	if used := after.TotalAlloc - before.TotalAlloc; used > 200<<20 {
		t.Errorf("%d MB were allocated to count parameters", used>>20)
	}
}

// The families differ in what they answer: SAM and SAM-Med2D three masks, MedSAM one.
func TestFamiliesAnswerTheirMasks(t *testing.T) {
	for text, masks := range map[string]int{"sam(image: 96 px)": 3, "medsam(image: 96 px)": 1, "sam_med2d(image: 96 px)": 3, "sam_vit_l(image: 96 px)": 3} {
		var events []Event
		e := newEngine(t, Config{Events: func(Event) {}})
		p, _ := runAll(t, e, &events, "mseg 1\nmodel m = "+text+"\nexpect m.params > 0\n")
		if m := valueOf[*Model](t, e, p, "m"); m.Built.Masks != masks || m.Built.Config.Image != 96 {
			t.Errorf("%s answers %d masks for %d px", text, m.Built.Masks, m.Built.Config.Image)
		}
	}
}

// Every ablation of the mixture is one argument. The counts follow from the layers: in tiny, of width 96 with four blocks, an expert of 16
// units has 96·16·2+16+96 parameters.
func TestAblationsAreOneArgument(t *testing.T) {
	const expert = 96*16*2 + 16 + 96
	plain := parameters(t, "sam_tiny()")
	full := parameters(t, "sam_tiny() |> adapt(mixture(4))")
	for _, c := range []struct {
		name, model string
		params      float64 // 0: only less than full
		trained     string  // groups that training changes
	}{
		{"no adapter", "sam_tiny() |> adapt(mixture(0))", plain, "decoder"},
		{"decoder only", "sam_tiny() |> adapt(train: [decoder])", plain, "decoder"},
		{"single adapter", "sam_tiny() |> adapt(mixture(1))", plain + 4*expert, "experts, decoder"},
		{"no context", "sam_tiny() |> adapt(mixture(4, gate: equal))", plain + 16*expert, "experts, decoder"},
		{"without organ", "sam_tiny() |> adapt(mixture(4, gate: soft(task, modality, image)))", 0, "experts, decoder"},
		{"without task", "sam_tiny() |> adapt(mixture(4, gate: soft(organ, modality, image)))", 0, "experts, decoder"},
		{"without modality", "sam_tiny() |> adapt(mixture(4, gate: soft(organ, task, image)))", 0, "experts, decoder"},
		{"without image", "sam_tiny() |> adapt(mixture(4, gate: soft(organ, task, modality)))", 0, "experts, decoder"},
		{"another number", "sam_tiny() |> adapt(mixture(8, gate: equal))", plain + 32*expert, "experts, decoder"},
		{"another bottleneck", "sam_tiny() |> adapt(mixture(4, gate: equal, bottleneck: 8))", plain + 16*(96*8*2+8+96), "experts, decoder"},
		{"some blocks", "sam_tiny() |> adapt(mixture(4, gate: equal), blocks: [0, 2])", plain + 8*expert, "experts, decoder"},
		{"own adapters", "sam_med2d(image: 64 px) |> adapt(train: [experts, prompt, decoder])", parameters(t, "sam_med2d(image: 64 px)"), "experts, prompt, decoder"},
		{"experts beside own adapters", "sam_med2d(image: 64 px) |> adapt(mixture(1), blocks: [0])", parameters(t, "sam_med2d(image: 64 px)") + 768*16*2 + 16 + 768, "experts, decoder"},
		{"experts only", "sam_tiny() |> adapt(mixture(4), train: [experts])", full, "experts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := modelOf(t, c.model)
			got := float64(m.Built.Count(nil))
			if c.params > 0 && got != c.params || c.params == 0 && !(got < full && got > plain) {
				t.Errorf("%.0f parameters, expected %.0f (without an adapter %.0f, with the full mixture %.0f)", got, c.params, plain, full)
			}
			if groups := strings.Join(m.Groups, ", "); groups != c.trained {
				t.Errorf("training changes %s, expected %s", groups, c.trained)
			}
			if n, err := m.Count(true); err != nil || n <= 0 {
				t.Errorf("%v parameters are trained, %v", n, err)
			}
		})
	}
}

// SAM-Med2D's adapters are experts of their own: its authors train them with prompt encoder and decoder.
func TestAdaptersOfSAMMed2DAreTrained(t *testing.T) {
	m := modelOf(t, "sam_med2d(image: 64 px) |> adapt(train: [experts])")
	if n, err := m.Count(true); err != nil || n != 12*(768*192*2+768*768*9+768*768*16+2*768) {
		t.Errorf("%g parameters are trained, %v", n, err)
	}
}

func TestAdaptWithoutAnythingToTrain(t *testing.T) {
	for text, want := range map[string]string{
		"sam_tiny() |> adapt(mixture(0), train: [experts])":        "expected one of encoder, prompt, decoder, all",
		"sam_tiny() |> adapt(train: [])":                           "expected one of encoder, prompt, decoder, all",
		"sam_tiny() |> adapt(mixture(4, gate: top(2, of: equal)))": "top of equal: the inner gate must be soft",
		"sam(image: 100 px)":                                       "use a multiple of 16",
	} {
		e := newEngine(t, Config{Events: func(Event) {}})
		all := fmt.Sprintf("mseg 1\nmodel m = %s\nexpect m.params > 0\n", text)
		if _, err := e.Run(t.Context(), checked(t, all), all); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", text, err, want)
		}
	}
}

// modelOf is the value of an expression.
func modelOf(t *testing.T, text string) *Model {
	t.Helper()
	var events []Event
	e := newEngine(t, Config{Events: func(Event) {}})
	p, _ := runAll(t, e, &events, "mseg 1\nmodel m = "+text+"\nexpect m.params > 0\n")
	return valueOf[*Model](t, e, p, "m")
}

func parameters(t *testing.T, text string) float64 {
	t.Helper()
	return float64(modelOf(t, text).Built.Count(nil))
}
