package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	gx "github.com/gomlx/gomlx/core/graph"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/unet"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/train"
)

const planned = `mseg 1
data cases = phantom(patients: 6, slices: 1, size: 64 px, lesions: 1, modality: CT, seed: 3)
data all = cases |> prep(window(-160 HU .. 240 HU) |> resize(32 px))
model net = all |> nnunet()
model both = net |> adapt(mixture(2))
`

// nnunet decides on stages and batch from the samples; everything on top keeps the plan.
func TestNetworkPlannedFromData(t *testing.T) {
	var events []Event
	e := newEngine(t, Config{Events: func(Event) {}})
	text := planned + "expect net.params > 1\n"
	p := checked(t, text)
	e.Use(p, text)
	if plans := e.NetworkPlans(p); len(plans) != 1 || plans[0].Plan != nil || plans[0].Name != "net" {
		t.Errorf("before any run: %+v", plans)
	}
	p, _ = runAll(t, e, &events, text)
	plans := e.NetworkPlans(p)
	if len(plans) != 1 || plans[0].Plan == nil || !slices.Equal(plans[0].Plan.Features, []int{32, 64, 128, 256}) || plans[0].Plan.Batch != 2 {
		t.Fatalf("after it: %+v", plans)
	}
	if !strings.Contains(plans[0].Text, "patch 32×32 px, 4 stages of 32, 64, 128, 256 channels") || !strings.Contains(plans[0].Text, "CT cut to ") {
		t.Errorf("the plan says %q", plans[0].Text)
	}
	both := valueOf[*Model](t, e, p, "both")
	if both.Built.Config.Plan == nil || len(both.Built.Config.Intensities) != 1 || !slices.Equal(both.Built.Blocks, []int{0, 1, 2, 3}) {
		t.Errorf("with experts: %+v, blocks %v", both.Built.Config, both.Built.Blocks)
	}
	for batch, want := range map[string]int{"planned": 2, "5": 5} {
		n := expression(t, "unet() |> train(phantom() |> prep(resize(32 px)), loss: dice + bce, batch: "+batch+")")
		if got, err := batchOf(nodeOf(n), both); err != nil || got != want {
			t.Errorf("batch: %s is %d, %v", batch, got, err)
		}
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	const cases = "data cases = phantom(patients: 2, slices: 1, size: 64 px, lesions: 1)\n"
	for name, c := range map[string]struct{ text, want string }{
		"unprepared": {"model m = cases |> nnunet()\nexpect m.params > 0\n", "not prepared"},
		"no memory":  {"model m = cases |> prep(percentile(0 % .. 100 %) |> resize(32 px)) |> nnunet(memory: 1 KiB)\nexpect m.params > 0\n", "give it more memory"},
		"patches":    {"model m = cases |> prep(percentile(0 % .. 100 %) |> resize(64 px)) |> nnunet(memory: 10 MiB)\nexpect m.params > 0\n", "or resize("},
		"no plan": {"data all = cases |> prep(percentile(0 % .. 100 %) |> resize(16 px))\nmodel m = unet(image: 16 px, depth: 2, base: 2) |> train(all, loss: dice, batch: planned)\nexpect m.params > 0\n" +
			"eval e = m |> evaluate(all)\nexpect e.dice.mean > 2\n", "this model is no nnunet"},
		"blocks": {"model m = residual_unet(depth: 3, blocks: [1, 2])\nexpect m.params > 0\n", "for 2 levels, expected 3"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, Config{Events: func(Event) {}})
			text := "mseg 1\n" + cases + c.text
			if _, err := e.Run(t.Context(), checked(t, text), text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, expected %q", err, c.want)
			}
		})
	}
}

// numpy gives these for np.repeat(np.arange(256), counts).
func TestIntensityOfTheForeground(t *testing.T) {
	var counts [256]int
	for v := range counts {
		counts[v] = 1
	}
	x, ok := intensityOf(&counts)
	want := unet.Intensity{Low: 1.275, High: 253.725, Mean: 127.5, Deviation: math.Sqrt((256*256 - 1) / 12.0)}
	if !ok || !(math.Abs(x.Low-want.Low)+math.Abs(x.High-want.High)+math.Abs(x.Mean-want.Mean)+math.Abs(x.Deviation-want.Deviation) <= 1e-9) {
		t.Errorf("%+v, expected %+v", x, want)
	}
	counts = [256]int{7: 3, 9: 1}
	if x, ok = intensityOf(&counts); !ok || x.Low != 7 || !(math.Abs(x.High-8.97) <= 1e-9) || x.Mean != 7.5 {
		t.Errorf("%+v", x)
	}
	counts = [256]int{40: 5}
	if _, ok = intensityOf(&counts); ok {
		t.Error("values that are all the same have a deviation")
	}
}

func TestMedian(t *testing.T) {
	for want, x := range map[float64][]float64{3: {7, 1, 3}, 2.5: {4, 1, 2, 3}, 6: {6}} {
		if got := median(x); got != want {
			t.Errorf("the median of %v is %g, expected %g", x, got, want)
		}
	}
}

// Only a window makes the values of CT mean the same in all images.
func TestIntensitiesNeedAWindow(t *testing.T) {
	for prep, want := range map[string]int{"window(-160 HU .. 240 HU)": 1, "percentile(0.5 % .. 99.5 %)": 0} {
		for modality, isCT := range map[string]int{"CT": 1, "MRI": 0} {
			if modality == "MRI" && want == 1 {
				continue // refused before
			}
			var events []Event
			e := newEngine(t, Config{Events: func(Event) {}})
			text := fmt.Sprintf("mseg 1\nmodel m = phantom(patients: 2, slices: 1, size: 64 px, lesions: 1, modality: %s) |> prep(%s |> resize(16 px)) |> nnunet()\nexpect m.params > 0\n", modality, prep)
			p, _ := runAll(t, e, &events, text)
			if got := len(valueOf[*Model](t, e, p, "m").Built.Config.Intensities); got != want*isCT {
				t.Errorf("%s after %s: %d modalities with fixed numbers, expected %d", modality, prep, got, want*isCT)
			}
		}
	}
}

// The balance of the experts counts once, whatever else is weighed.
func TestBalanceBesideDeepSupervision(t *testing.T) {
	b, err := graph.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	mixture := experts.Published()
	n := nodeOf(checked(t, "mseg 1\nparam x: loss = dice\n").Params[0].Value)
	value := func(balance float64, deep bool) float64 {
		shapes := []graph.Shape{graph.F32(2, 1, 4, 4), graph.F32(2, 1, 2, 2), graph.F32(2, 3), graph.F32(2, 4, 4), graph.F32(2)}
		p, err := graph.NewProgram(b, graph.ProgramConfig{Name: "loss"}, shapes, func(s *graph.Scope, in []*graph.Node) []*graph.Node {
			out := graph.Outputs{Masks: in[0], Gates: []*graph.Node{in[2]}}
			if deep {
				out.Deep = []*graph.Node{in[1]}
			}
			return []*graph.Node{gx.ReduceAllMean(lossOf(n, &mixture, balance)(s, out, train.Target{Masks: in[3], Weights: in[4]}))}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Free()
		masks, coarse, target := make([]float32, 32), make([]float32, 8), make([]float32, 32)
		for i := range masks {
			masks[i], target[i] = float32(i%5)-2, float32(i%2)
		}
		for i := range coarse {
			coarse[i] = float32(i) - 3
		}
		r, err := p.Call(t.Context(), nil, 0, graph.Floats(masks, 2, 1, 4, 4), graph.Floats(coarse, 2, 1, 2, 2), graph.Floats([]float32{1, 0, 0, 1, 0, 0}, 2, 3), graph.Floats(target, 2, 4, 4), graph.Floats([]float32{1, 1}, 2))
		if err != nil {
			t.Fatal(err)
		}
		return float64(r.Outputs[0].Data[0])
	}
	if plain, deep := value(0, false), value(0, true); math.Abs(plain-deep) < 1e-3 {
		t.Errorf("the coarser answer does not count: %g and %g", plain, deep)
	}
	for _, deep := range []bool{false, true} { // everything goes to one of three experts: E-1 = 2
		if got := value(0.5, deep) - value(0, deep); !(math.Abs(got-1) <= 1e-5) {
			t.Errorf("deep %t: the balance adds %g, expected 1", deep, got)
		}
	}
}

// Experts in U-Nets and in a ViT are trained, balanced ones too, and nothing else is where nothing else is asked for.
func TestExpertsOfOtherBackbonesAreTrained(t *testing.T) {
	for _, c := range []struct{ model, gate, level, tables string }{
		{"unet(image: 16 px, base: 2, depth: 2)", "top(1, balance: 1)", "down.%d.", ""},
		{"residual_unet(image: 16 px, base: 2, depth: 2, blocks: [1, 1])", "soft(task, image)", "encoder.stages.%d.", ""},
		{"unet(image: 16 px, base: 2, depth: 2)", "equal", "down.%d.", ""},
		{"vit(image: 16 px, patch: 8 px)", "soft(organ, task, modality, image)", "image_encoder.blocks.%d.mlp.", "image_encoder."},
	} {
		t.Run(c.model+" "+c.gate, func(t *testing.T) {
			var events []Event
			e := newEngine(t, Config{Events: func(Event) {}})
			p, _ := runAll(t, e, &events, fmt.Sprintf(`mseg 1
data all = phantom(patients: 4, slices: 1, size: 64 px, lesions: 1) |> prep(percentile(0 %% .. 100 %%) |> resize(16 px))
model before = %s |> adapt(mixture(2, gate: %s, bottleneck: 4, dropout: 0), train: [experts])
model after = before |> train(all, epochs: 2, batch: 4, loss: dice + bce, optimizer: adamw(1e-2))
eval x = after |> evaluate(all)
report r = [x, after |> gates(all)] { title: "gates" }
expect before.trainable < before.params
`, c.model, c.gate))
			before, after := valueOf[*Model](t, e, p, "before"), valueOf[*Model](t, e, p, "after")
			first, err := before.Params()
			if err != nil {
				t.Fatal(err)
			}
			last, err := after.Params()
			if err != nil {
				t.Fatal(err)
			}
			moved := map[string]bool{}
			for _, name := range first.Names() {
				a, _ := first.Get(name)
				b, _ := last.Get(name)
				expert := strings.Contains(name, ".adapter_") || strings.Contains(name, "_embed")
				if changed := !slices.Equal(a.Data, b.Data); changed && !expert {
					t.Errorf("%s was trained", name)
				} else if changed {
					moved[name] = true
				}
			}
			level := func(i int) string { return fmt.Sprintf(c.level, i) }
			want := []string{level(0) + "adapter_up.0.weight", level(1) + "adapter_up.1.bias"}
			if c.gate != "equal" {
				want = append(want, level(1)+"adapter_gate.weight", level(1)+"adapter_input_embed.weight", c.tables+"organ_embed.4.weight")
			}
			for _, name := range want {
				if !moved[name] {
					t.Errorf("%s was not trained; %d others were", name, len(moved))
				}
			}
		})
	}
}

// The ablations of the mixture on a U-Net of two levels of 16 and 32 channels; see TestAblationsAreOneArgument.
func TestAblationsOfAUNet(t *testing.T) {
	expert := func(units int) float64 { // in both levels
		return float64(2*units*(16+32) + 2*units + 16 + 32)
	}
	const base = "unet(image: 32 px, base: 16, depth: 2)"
	plain, full := parameters(t, base), parameters(t, base+" |> adapt(mixture(4))")
	for name, c := range map[string]struct {
		adapt string
		want  float64 // 0: between plain and full
	}{
		"no adapter":       {"mixture(0)", plain},
		"decoder only":     {"train: [decoder]", plain},
		"single adapter":   {"mixture(1)", plain + expert(16)},
		"no context":       {"mixture(4, gate: equal)", plain + 4*expert(16)},
		"without organ":    {"mixture(4, gate: soft(task, modality, image))", 0},
		"without task":     {"mixture(4, gate: soft(organ, modality, image))", 0},
		"without modality": {"mixture(4, gate: soft(organ, task, image))", 0},
		"without image":    {"mixture(4, gate: soft(organ, task, modality))", 0},
		"number":           {"mixture(2, gate: equal)", plain + 2*expert(16)},
		"bottleneck":       {"mixture(4, gate: equal, bottleneck: 8)", plain + 4*expert(8)},
		"one level":        {"mixture(4, gate: equal), blocks: [1]", plain + 4*(2*16*32+16+32)},
		"hard route":       {"route { /torso/abdomen: expert(bottleneck: 8), else: shared }", plain + expert(8) + expert(16)},
	} {
		got := parameters(t, base+" |> adapt("+c.adapt+")")
		if c.want > 0 && got != c.want || c.want == 0 && !(got > plain && got < full) {
			t.Errorf("%s: %.0f parameters, expected %.0f (without an adapter %.0f, with the full mixture %.0f)", name, got, c.want, plain, full)
		}
	}
	m := modelOf(t, base+" |> adapt(mixture(3, gate: top(2, balance: 0.02)))")
	if x := m.experts(); m.Balance != 0.02 || x.Top != 2 || x.Gate != experts.Hierarchical {
		t.Errorf("top 2 of 3 became %+v with balance %g", x, m.Balance)
	}
}

func nodeOf(v ir.Value) *ir.Node { return v.(*ir.Node) }
