package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/ops/metric"
)

// findings are the sentences a reader needs before any table: who beat whom, and what weakens the numbers.
func findings(evals []evalItem) []report.Finding {
	var out []report.Finding
	say := func(s report.Status, format string, args ...any) {
		f := report.Finding{Text: fmt.Sprintf(format, args...), Status: s}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	for _, g := range sameData(evals) {
		for _, m := range g {
			if m.model.Baseline != "" {
				continue
			}
			compared := false
			for _, b := range g {
				if b.model.Baseline == "" {
					continue
				}
				field, ok := m.scores.judged()
				if !ok {
					continue // no metric here says which side is better
				}
				d, _, _, err := difference(m.scores, b.scores, field, m.scores.Level)
				if err != nil {
					continue
				}
				compared = true
				def, _ := metric.Define(field)
				name, unit := def.Title, fmt.Sprintf("%.0f %% CI", 100*m.scores.Level)
				low, high := orNaN(d.Low), orNaN(d.High)
				interval := fmt.Sprintf("difference %+.3f, %s [%+.3f, %+.3f], %d images", d.Mean, unit, low, high, d.N)
				if d.Low == nil {
					interval = fmt.Sprintf("difference %+.3f, %d images, no interval", d.Mean, d.N)
				}
				better := d.Mean > 0 && low > 0
				worse := d.Mean < 0 && high < 0
				if def.Better == metric.Lower {
					better, worse = worse, better
				}
				switch {
				case better:
					say(report.Good, "%s is better than the baseline %s: %s %.3f against %.3f (%s).", m.label, b.label, name, d.First, d.Second, interval)
				case worse:
					say(report.Bad, "%s is worse than the baseline %s: %s %.3f against %.3f (%s).", m.label, b.label, name, d.First, d.Second, interval)
				default:
					say(report.Bad, "%s does not beat the baseline %s: %s %.3f against %.3f (%s).", m.label, b.label, name, d.First, d.Second, interval)
				}
			}
			if !compared {
				say(report.Neutral, "%s is not compared with a baseline; add box_fill and box_ellipse.", m.label)
			}
			test := m.data.Patients()
			if both := common(test, m.model.TrainedOn); len(both) > 0 {
				say(report.Bad, "LEAK: %d of %d patients that %s is measured on were trained on (%s).", len(both), len(test), m.label, strings.Join(both[:min(3, len(both))], ", "))
			}
			if both := common(test, m.model.ChosenOn); len(both) > 0 {
				say(report.Bad, "%d of %d patients that %s is measured on also chose its checkpoint (%s).", len(both), len(test), m.label, strings.Join(both[:min(3, len(both))], ", "))
			}
			if m.scores.Select == "oracle" {
				say(report.Bad, "%s takes the best of its masks by the reference (oracle): nobody can do that in use.", m.label)
			}
			if m.scores.Select == "predicted_iou" && !m.model.QualityTrained && m.model.Built.Masks > 1 {
				say(report.Bad, "%s chooses among its masks by a predicted IoU that was never trained; add quality to the loss or write select: first.", m.label)
			}
		}
		test := g[0].data
		if n := len(test.Patients()); n < 10 {
			say(report.Neutral, "%d images of only %d patients: intervals treat images as independent and are too narrow for a claim about patients.", len(g[0].scores.Rows), n)
		}
		for _, o := range test.Origins {
			if strings.Contains(o, "GENERATED") {
				say(report.Bad, "These results are from generated images (%s), not from patients.", o)
			}
		}
		for _, p := range test.Preps {
			if p.Focus != nil || p.Crop != nil {
				say(report.Neutral, "Images are cut to a region around the structure, as a tool does once a person has drawn the box.")
			}
		}
		say(report.Neutral, "Prompt: %s.", g[0].scores.Prompt)
		missing := 0
		for _, r := range g[0].scores.Rows {
			for _, v := range r.Values {
				if v == nil {
					missing++
				}
			}
		}
		if missing > 0 {
			say(report.Neutral, "%d values are not defined and left out of the means.", missing)
		}
	}
	return out
}

// judged is the first metric of which a reader knows whether more of it is better.
func (s *Scores) judged() (string, bool) {
	for _, m := range s.Specs {
		if def, ok := metric.Define(m.Name); ok && def.Better != metric.Neutral {
			return m.Name, true
		}
	}
	return "", false
}
