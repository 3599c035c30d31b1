package engine

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/experts"
	"github.com/mseg-lang/mseg/models/unet"
	"github.com/mseg-lang/mseg/ops/data"
	"github.com/mseg-lang/mseg/ops/train"
)

const partsScript = `mseg 1
data cases = phantom(patients: 3, slices: 1, size: 48 px, lesions: 1, seed: 3)
data all   = cases |> prep(percentile(0 % .. 100 %) |> slices())
model net  = all |> nnunet(box: false, memory: 6 MiB)
model parts = net |> train(all, validate: all, loss: dice + bce, epochs: 2, batch: 2, sampling: patches(foreground: 50 %), augment: augment(rotate: 30 deg))
`

// nnunet plans parts of samples that are too large for the memory; training sees them, and an evaluation moves the network over the whole.
func TestPartsOfSamples(t *testing.T) {
	text := strings.Replace(partsScript, "validate: all, ", "", 1) +
		"eval e = parts |> evaluate(all, inference: sliding(overlap: 25 %, mirror: true)) { select: first }\nexpect e.n == 3\nexpect e.dice.mean >= 0\n"
	e := newEngine(t, Config{Events: func(Event) {}})
	p := checked(t, text)
	if _, err := e.Run(t.Context(), p, text); err != nil {
		t.Fatal(err)
	}
	if s := valueOf[*Scores](t, e, p, "e"); !strings.HasPrefix(s.Prompt, "none") {
		t.Errorf("the prompt of a network without one is %q", s.Prompt)
	}
	m := valueOf[*Model](t, e, p, "parts")
	if side := m.Built.Config.Image; side >= 48 || side < 8 {
		t.Errorf("the network sees %d px of samples of 48", side)
	}
	if len(m.History) != 2 {
		t.Errorf("%d epochs", len(m.History))
	}
	plans := e.NetworkPlans(p)
	if len(plans) != 1 || !strings.Contains(plans[0].Text, "sees parts ") {
		t.Errorf("plans: %+v", plans)
	}
}

// Where samples are as large as the network, one window without mirroring is the whole at once.
func TestOneWindowIsTheWhole(t *testing.T) {
	text := `mseg 1
data all  = phantom(patients: 2, slices: 1, size: 32 px, lesions: 1) |> prep(percentile(0 % .. 100 %) |> slices())
model net = residual_unet(image: 32 px, base: 4, depth: 2, blocks: [1, 1], box: false) |> train(all, loss: dice + bce, epochs: 1, batch: 2)
eval whole   = net |> evaluate(all) { select: first }
eval windows = net |> evaluate(all, inference: sliding()) { select: first }
eval mirrored = net |> evaluate(all, inference: sliding(mirror: true)) { select: first }
expect whole.n + windows.n + mirrored.n == 6
`
	e := newEngine(t, Config{Events: func(Event) {}})
	p := checked(t, text)
	if _, err := e.Run(t.Context(), p, text); err != nil {
		t.Fatal(err)
	}
	masks := map[string][][]uint8{}
	for _, name := range []string{"whole", "windows", "mirrored"} {
		b, _ := p.Lookup(name)
		v, err := e.Value(t.Context(), e.prediction(nodeOf(b.Value)))
		if err != nil {
			t.Fatal(err)
		}
		masks[name] = v.(*Predictions).Masks
	}
	for i := range masks["whole"] {
		if !slices.Equal(masks["whole"][i], masks["windows"][i]) {
			t.Errorf("sample %d: one window is not the whole", i)
		}
		if area(masks["whole"][i]) == 0 || area(masks["whole"][i]) == len(masks["whole"][i]) {
			t.Errorf("sample %d: the mask says nothing", i)
		}
	}
	if slices.EqualFunc(masks["whole"], masks["mirrored"], slices.Equal) {
		t.Error("mirroring changes nothing")
	}
}

// seeing is a model of which only the side of its image is known.
func seeing(side int, fixed ...unet.Intensity) *Model {
	return &Model{Built: &models.Model{Config: models.Config{Image: side, Intensities: fixed}}}
}

// A training sees at a place exactly what an evaluation sees there, and both are told the same numbers of the sample, those of all its pixels; beyond its
// edge lies what the network takes for the mean.
func TestTrainingSeesWhatEvaluationSees(t *testing.T) {
	const side = 16
	x := &examples{rows: [][5]int32{{2}, {5}, {2}}}
	for k, size := range [][3]int{{37, 22, 1}, {10, 40, 3}, {12, 9, 1}} {
		s := data.Sample{Width: size[0], Height: size[1], Channels: size[2], Image: make([]uint8, size[0]*size[1]*size[2]), Mask: make([]uint8, size[0]*size[1])}
		for i := range s.Image {
			s.Image[i] = uint8(i * (97 + k) % 251)
		}
		s.Mask[len(s.Mask)/3] = 1
		x.samples = append(x.samples, s)
	}
	m := seeing(side, unet.Intensity{Modality: 5, Mean: 77})
	drawn := patched{x, picturesOf(x, m), train.Patches{Foreground: 0.5}, m.extent()}
	asked := newWindowed(x, m, train.Sliding{})
	fresh := func() *train.Example {
		return &train.Example{Image: make([]float32, side*side*3), Target: make([]uint8, side*side)}
	}
	seen := 0
	for i := range x.samples {
		for seed := range uint64(30) {
			a, b := fresh(), fresh()
			if err := drawn.Fill(i, rand.New(rand.NewPCG(seed, 1)), a); err != nil {
				t.Fatal(err)
			}
			asked.windows = []window{{sample: i, x: a.X, y: a.Y}}
			if err := asked.Fill(0, nil, b); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(a.Image, b.Image) || !slices.Equal(a.Target, b.Target) || a.Box != b.Box || a.Modality != b.Modality || a.Organ != b.Organ {
				t.Fatalf("sample %d at %d,%d: training and evaluation see another image", i, a.X, a.Y)
			}
			if a.Whole.Mean != b.Whole.Mean || a.Whole.Deviation != b.Whole.Deviation {
				t.Fatalf("sample %d: training and evaluation are told other numbers", i)
			}
			sum := 0.0
			for p, v := range x.samples[i].Image {
				if p%x.samples[i].Channels == 0 {
					sum += float64(v)
				}
			}
			mean := float32(sum / float64(len(x.samples[i].Mask)))
			if math.Abs(float64(a.Whole.Mean[0]-mean)) > 1e-4 {
				t.Fatalf("sample %d has the mean %g, told is %g", i, mean, a.Whole.Mean[0])
			}
			outside := mean
			if i == 1 {
				outside = 77
			}
			for p := range side * side {
				if u, v := a.X+p%side, a.Y+p/side; u < 0 || v < 0 || u >= x.samples[i].Width || v >= x.samples[i].Height {
					seen++
					if math.Abs(float64(a.Image[3*p]-outside)) > 1e-4 {
						t.Fatalf("sample %d: beyond the edge lies %g, expected %g", i, a.Image[3*p], outside)
					}
				}
			}
		}
	}
	if seen == 0 {
		t.Error("nothing lay beyond an edge")
	}
}

// Validation while parts are learnt measures whole samples: an answer that is right around the target and wrong elsewhere is not a good one.
func TestValidationMeasuresWholeSamples(t *testing.T) {
	const side = 8
	x := &examples{rows: make([][5]int32, 2)}
	for _, width := range []int{24, 8} {
		s := data.Sample{Width: width, Height: 8, Channels: 1, Image: make([]uint8, width*8), Mask: make([]uint8, width*8)}
		for i := range s.Mask {
			s.Mask[i] = uint8(min(1, max(0, 4-i%width))) // the four columns at the left
		}
		x.samples = append(x.samples, s)
	}
	m := seeing(side)
	run := m.partially(train.Patches{}, x, train.Config{Validation: x})
	if !run.cfg.Parts || run.cfg.Whole == nil {
		t.Fatalf("parts %v, put together %v", run.cfg.Parts, run.cfg.Whole != nil)
	}
	answer := func(of func(windowX, column int) float32) float64 {
		sum, n := 0.0, 0
		take := run.cfg.Whole(func(i int, mask, reference []uint8) error {
			sum, n = sum+train.Overlap(mask, reference), n+1
			return nil
		})
		for i, w := range run.cfg.Validation.(*windowed).windows {
			p := &train.Prediction{Masks: make([]float32, side*side), Count: 1}
			for k := range p.Masks {
				p.Masks[k] = of(w.x, k%side)
			}
			if err := take(i, nil, p); err != nil {
				t.Fatal(err)
			}
		}
		if n != len(x.samples) {
			t.Errorf("%d samples were put together, want %d", n, len(x.samples))
		}
		return sum / float64(n)
	}
	if got := answer(func(x, column int) float32 { return 3.5 - float32(x+column) }); got != 1 {
		t.Errorf("right answers have Dice %g", got)
	}
	// In the window at the left all is right; those behind it find everything.
	got := answer(func(x, column int) float32 {
		if x == 0 {
			return 3.5 - float32(column)
		}
		return 100
	})
	if found := 24.0 - 4; got >= 0.75 || got < (2*4/(4+found)+1)/2-0.05 {
		t.Errorf("right at the left, wrong elsewhere: Dice %g", got)
	}
}

// A network that sees the image alone is told when one image is to be answered by several masks.
func TestAmbiguousTasks(t *testing.T) {
	x := &examples{}
	for _, s := range []data.Sample{{Slice: 1, Task: "CT_Liver"}, {Slice: 1, Task: "CT_Spleen"}, {Slice: 2, Task: "CT_Liver"}, {Slice: 1, Task: "CT_Kidney"}} {
		x.samples = append(x.samples, s)
	}
	alone, prompted, told := seeing(8), seeing(8), seeing(8)
	alone.Built.Config.NoPrompt, told.Built.Config.NoPrompt = true, true
	told.Built.Config.Experts = &experts.Config{}
	if got := x.ambiguous(alone); !strings.HasPrefix(got, "1 of 2 images have masks of several tasks") {
		t.Errorf("found %q", got)
	}
	for name, m := range map[string]*Model{"with a box": prompted, "with experts": told} {
		if got := x.ambiguous(m); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if x.samples = x.samples[1:3]; x.ambiguous(alone) != "" {
		t.Errorf("two images of a task each: %s", x.ambiguous(alone))
	}
}

func TestPartsThatCannotBe(t *testing.T) {
	const data = "data all = phantom(patients: 2, slices: 1, size: 48 px, lesions: 1) |> prep(percentile(0 % .. 100 %) |> slices())\n"
	const last = "eval e = m |> evaluate(all)\nexpect e.dice.mean > 2\n"
	for name, c := range map[string]struct{ text, want string }{
		"a prompt in training":   {"model m = unet(image: 32 px, base: 2, depth: 2) |> train(all, loss: dice, sampling: patches())\n" + last, "box: false"},
		"a prompt in evaluation": {"model m = unet(image: 32 px, base: 2, depth: 2)\neval e = m |> evaluate(all, inference: sliding())\nexpect e.dice.mean > 2\n", "box: false"},
		"a baseline":             {"eval e = box_fill |> evaluate(all, inference: sliding())\nexpect e.dice.mean > 2\n", "is no network"},
		"no sampling":            {"model m = residual_unet(image: 32 px, base: 2, depth: 2, blocks: [1, 1], box: false) |> train(all, loss: dice)\n" + last, "sampling: patches()"},
		"no sliding":             {"model m = residual_unet(image: 32 px, base: 2, depth: 2, blocks: [1, 1], box: false)\n" + last, "inference: sliding()"},
		"planned with a box":     {"model m = all |> nnunet(memory: 6 MiB)\n" + last, "write box: false"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, Config{Events: func(Event) {}})
			text := "mseg 1\n" + data + c.text
			if _, err := e.Run(t.Context(), checked(t, text), text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, expected %q", err, c.want)
			}
		})
	}
}

// Windows and what is blended from them lie where they should: a network that answers each pixel by its own value gives the picture back, of whatever
// shape both are.
func TestWindowsLieInTheirPlace(t *testing.T) {
	for _, s := range []train.Sliding{{Overlap: 0.5, Gaussian: true, Mirror: true}, {Overlap: 0.2}} {
		for _, sees := range []extent{{16, 16}, {16, 8}, {8, 20}} {
			x := &examples{rows: make([][5]int32, 3)}
			for _, size := range [][2]int{{37, 22}, {10, 40}, {16, 16}} {
				sample := data.Sample{Width: size[0], Height: size[1], Channels: 1, Image: make([]uint8, size[0]*size[1]), Mask: make([]uint8, size[0]*size[1])}
				for i := range sample.Image {
					sample.Image[i] = uint8(i * 97 % 251)
					sample.Mask[i] = sample.Image[i] / 128
				}
				x.samples = append(x.samples, sample)
			}
			m := seeing(sees.width)
			m.Built.Config.Height = sees.height
			w := newWindowed(x, m, s)
			into := &train.Example{Image: make([]float32, sees.width*sees.height*3), Target: make([]uint8, sees.width*sees.height)}
			got := make([][]uint8, 3)
			answer := w.assemble(func(sample int, mask, _ []uint8) error {
				got[sample] = mask
				return nil
			})
			for i, at := range w.windows {
				if err := w.Fill(i, nil, into); err != nil {
					t.Fatal(err)
				}
				logits := make([]float32, sees.width*sees.height)
				picture := w.pictures[at.sample]
				for p := range logits {
					logits[p] = into.Image[3*p] - 127.5
					if into.Image[3*p] != picture.Outside[0] && (logits[p] > 0) != (into.Target[p] != 0) {
						t.Fatalf("window %+v: image and target are not turned alike", at)
					}
				}
				if err := answer(i, into, &train.Prediction{Masks: logits, Count: 1}); err != nil {
					t.Fatal(err)
				}
			}
			for i, sample := range x.samples {
				if !slices.Equal(got[i], sample.Mask) {
					t.Errorf("%+v, windows of %s, sample of %d×%d px: the answers do not make up the picture", s, sees, sample.Width, sample.Height)
				}
			}
		}
	}
}
