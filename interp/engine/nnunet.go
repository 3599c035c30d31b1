package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/types"
	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/models/unet"
)

func init() {
	register("nnunet", stage{version: 1, tree: true, contents: weightsContents, run: runNNUNet, load: loadNNUNet})
}

// plannedNetwork is the artefact of an nnunet: what was decided. It is kept, so that the samples are read once.
type plannedNetwork struct {
	Image       int              `json:"image"`            // px, its width where it is not square
	Height      int              `json:"height,omitempty"` // px, of one that is not
	Parts       bool             `json:"parts,omitempty"`  // samples are larger or of different sizes: the network sees parts of them
	Plan        unet.Plan        `json:"plan"`
	Intensities []unet.Intensity `json:"intensities,omitempty"`
}

// runNNUNet decides on a network from prepared samples, as nnU-Net does from its resampled images.
func runNNUNet(ctx context.Context, j *Job, w *store.Writer) (map[string]any, error) {
	n := j.Node
	d, err := j.dataArg(ctx, n, "data")
	if err != nil {
		return nil, err
	}
	span := n.ArgSpan("data")
	if !d.Prepared {
		return nil, fault(span, "these data are not prepared; nnunet plans for what training will see: pass them through prep(…) first")
	}
	print, err := fingerprint(d)
	if err != nil {
		return nil, at(span, err)
	}
	memory, _ := n.Arg("memory").(ir.Number)
	kib, _ := types.Canonical(memory.V, memory.Unit)
	residual, size := n.Flag("residual"), oneSize(d)
	out := plannedNetwork{Intensities: j.intensities(d)}
	if out.Plan, err = unet.PlanFor(print, unet.RulesFor(len(print.Shape), residual), residual, kib/(1<<20)); err != nil {
		return nil, at(span, err)
	}
	if patch := (extent{out.Plan.Patch[1], out.Plan.Patch[0]}); patch.width < size.width || patch.height < size.height || size == (extent{}) {
		if size, out.Parts = patch, true; n.Flag("box") {
			return nil, fault(span, "the plan is to see images of %d×%d px in parts of %s, and a box would tell where in them the target lies; write box: false with sampling: patches() in the training and inference: sliding() in the evaluation, or resize(%d px) in the prep, or give more memory",
				print.Shape[1], print.Shape[0], patch, min(patch.width, patch.height))
		}
	}
	if out.Image = size.width; !size.square() {
		out.Height = size.height
	}
	text := j.planText(out, n.Flag("deep"))
	j.note("%s", text)
	return map[string]any{"plan": text}, w.WriteJSON("plan.json", out)
}

func loadNNUNet(_ context.Context, j *Job, a *store.Artefact) (any, error) {
	var p plannedNetwork
	if err := a.ReadJSON("plan.json", &p); err != nil {
		return nil, err
	}
	n := j.Node
	return j.model(n, models.Config{Architecture: "nnunet", Image: p.Image, Height: p.Height, Plan: &p.Plan, Intensities: p.Intensities, Deep: n.Flag("deep"), NoPrompt: !n.Flag("box")})
}

// oneSize is the size of the samples if all have the same, else nothing.
func oneSize(d *Data) extent {
	size := extent{d.Samples[0].Width, d.Samples[0].Height}
	for _, s := range d.Samples {
		if (extent{s.Width, s.Height}) != size {
			return extent{}
		}
	}
	return size
}

// fingerprint is what nnU-Net's rules look at.
func fingerprint(d *Data) (unet.Fingerprint, error) {
	if len(d.Samples) == 0 {
		return unet.Fingerprint{}, fmt.Errorf("there is no sample in these data")
	}
	var heights, widths, rows, columns []float64 // px, and mm from one to the next
	f := unet.Fingerprint{Spacing: []float64{1, 1}, Outputs: 1}
	for _, s := range d.Samples {
		heights, widths = append(heights, float64(s.Height)), append(widths, float64(s.Width))
		f.Values += float64(s.Width) * float64(s.Height)
		if s.SpacingX > 0 && s.SpacingY > 0 {
			rows, columns = append(rows, s.SpacingY), append(columns, s.SpacingX)
		}
	}
	f.Shape = []int{int(median(heights)), int(median(widths))}
	if len(rows) > 0 {
		f.Spacing = []float64{median(rows), median(columns)}
	}
	return f, nil
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

// intensities are nnU-Net's numbers for CT, whose values mean the same in all images: the values of the foreground of all samples are cut at
// their percentiles 0.5 and 99.5, and have a mean and a deviation. Images that were not brought to 0..255 by one window have no such common
// values; like those of other modalities they are standardised one by one.
func (e *Engine) intensities(d *Data) []unet.Intensity {
	for _, p := range d.Preps {
		if p.Window == nil {
			return nil
		}
	}
	counts := map[int]*[256]int{}
	var rows []int
	for _, s := range d.Samples {
		row, m, ok := e.tree.Modality(s.Modality)
		if !ok || m.Name != "CT" && m.Name != "CTA" && m.Name != "CBCT" {
			continue
		}
		if counts[row] == nil {
			counts[row] = &[256]int{}
			rows = append(rows, row)
		}
		for i, inside := range s.Mask {
			if inside != 0 {
				for c := range s.Channels {
					counts[row][s.Image[i*s.Channels+c]]++
				}
			}
		}
	}
	slices.Sort(rows)
	var out []unet.Intensity
	for _, row := range rows {
		if x, ok := intensityOf(counts[row]); ok {
			x.Modality = row
			out = append(out, x)
		}
	}
	return out
}

// intensityOf describes values by how often each occurs; ok is false where there are none, or all are the same.
func intensityOf(counts *[256]int) (unet.Intensity, bool) {
	n, sum, squares := 0, 0.0, 0.0
	for v, k := range counts {
		n += k
		sum += float64(k * v)
		squares += float64(k * v * v)
	}
	if n == 0 {
		return unet.Intensity{}, false
	}
	at := func(rank int) float64 {
		for v, k := range counts {
			if rank -= k; rank < 0 {
				return float64(v)
			}
		}
		return 255
	}
	percentile := func(p float64) float64 { // numpy's, linear between ranks
		place := p / 100 * float64(n-1)
		low := math.Floor(place)
		return at(int(low)) + (place-low)*(at(min(int(low)+1, n-1))-at(int(low)))
	}
	mean := sum / float64(n)
	deviation := math.Sqrt(max(0, squares/float64(n)-mean*mean))
	if deviation < 1e-6 {
		return unet.Intensity{}, false
	}
	return unet.Intensity{Low: percentile(0.5), High: percentile(99.5), Mean: mean, Deviation: deviation}, true
}

// planText says what nnunet decided, in one line.
func (e *Engine) planText(p plannedNetwork, deep bool) string {
	parts := []string{p.Plan.String()}
	if p.Parts {
		size := fmt.Sprintf("of %d px", p.Image)
		if p.Height > 0 {
			size = fmt.Sprintf("%d px wide and %d px high", p.Image, p.Height)
		}
		parts = append(parts, fmt.Sprintf("sees parts %s: train with sampling: patches(), evaluate with inference: sliding()", size))
	}
	if deep {
		parts = append(parts, "deep supervision")
	}
	for _, x := range p.Intensities {
		parts = append(parts, fmt.Sprintf("%s cut to %.0f .. %.0f, minus %.1f, by %.1f", e.tree.Modalities[x.Modality].Name, x.Low, x.High, x.Mean, x.Deviation))
	}
	if len(p.Intensities) == 0 {
		parts = append(parts, "each image standardised")
	}
	return strings.Join(parts, "; ")
}

// NetworkPlan is what nnunet decides for a model of the script.
type NetworkPlan struct {
	Name string     `json:"model"`
	Plan *unet.Plan `json:"plan,omitempty"` // nil until the data have been looked at
	Text string     `json:"text"`
}

// NetworkPlans lists the networks of a program that are decided from data. Nothing is run: what is not in the store is not decided yet.
func (e *Engine) NetworkPlans(p *ir.Program) []NetworkPlan {
	var out []NetworkPlan
	seen := map[string]bool{}
	each(p, func(name string, n *ir.Node, _ bool) {
		key := e.Key(n)
		if n.Op != "nnunet" || seen[key] {
			return
		}
		seen[key] = true
		if n.Label != "" {
			name = n.Label
		}
		plan := NetworkPlan{Name: name, Text: "decided when its data are prepared"}
		var kept plannedNetwork
		if a, err := e.store.Get(key); err == nil && a.ReadJSON("plan.json", &kept) == nil {
			plan.Plan, plan.Text = &kept.Plan, e.planText(kept, n.Flag("deep"))
		}
		out = append(out, plan)
	})
	return out
}
