package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/lang/diag"
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
	groups := sameData(evals)
	verdicts := againstBaselines(groups)
	for _, g := range groups {
		for i := range g {
			m := &g[i]
			if m.model.Baseline != "" {
				continue
			}
			compared := false
			for _, v := range verdicts {
				if v.model == m {
					compared = true
					say(v.status(), "%s", v)
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
			say(report.Neutral, "%s of only %s: intervals treat images as independent and are too narrow for a claim about patients.", diag.Counted(len(g[0].scores.Rows), "image"), diag.Counted(n, "patient"))
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
		for _, text := range prompts(g) {
			say(report.Neutral, "%s", text)
		}
		for _, m := range g {
			if n := m.scores.missing(); n > 0 {
				say(report.Neutral, "%s of %s not defined and left out of the means.", diag.Counted(n, "value"), m.label+map[bool]string{true: " is", false: " are"}[n == 1])
			}
		}
	}
	return out
}

// prompts says what the models of a group were told: once where it was the same for all.
func prompts(group []evalItem) []string {
	var told []string
	to := map[string][]string{}
	for _, m := range group {
		p := m.scores.Prompt
		if to[p] == nil {
			told = append(told, p)
		}
		to[p] = append(to[p], m.label)
	}
	if len(told) == 1 {
		return []string{fmt.Sprintf("Prompt: %s.", told[0])}
	}
	for i, p := range told {
		told[i] = fmt.Sprintf("Prompt of %s: %s.", strings.Join(to[p], ", "), p)
	}
	return told
}

// missing is the number of values that are not defined.
func (s *Scores) missing() int {
	n := 0
	for _, r := range s.Rows {
		for _, v := range r.Values {
			if v == nil {
				n++
			}
		}
	}
	return n
}
