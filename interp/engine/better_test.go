package engine

import (
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

const ownMetrics = `mseg 1
fn lost(p: mask, t: mask, weight: number = 1) -> scalar = weight * sum((1 - p) * t) / sum(t)
fn overlap(p: mask, t: mask) -> scalar = 2 * sum(p * t) / (sum(p) + sum(t))
data all = phantom(patients: 12, slices: 1, size: 64 px, lesions: 1) |> prep(percentile(0 % .. 100 %) |> resize(32 px))
model net = sam_tiny(image: 32 px)
eval mine = net |> evaluate(all, metrics: METRICS, select: first)
eval fill = box_fill |> evaluate(all, metrics: METRICS)
compare c = [mine, fill] { metric: lost }
report r = [mine, fill]
`

// A network that has learnt nothing misses what the box has whole: with a side, the page says that it is worse.
func TestBetterSideOfAnOwnMetric(t *testing.T) {
	for metrics, want := range map[string]struct {
		better report.Better
		says   string
		higher bool
	}{
		"[lost]":                    {report.Unranked, "", false},
		"[lower_is_better(lost)]":   {report.LowerBetter, "is worse than the baseline fill: lost", false},
		"[higher_is_better(lost)]":  {report.HigherBetter, "is better than the baseline fill: lost", true},
		"[lower_is_better(lost())]": {report.LowerBetter, "is worse than the baseline fill: lost", false},
	} {
		t.Run(metrics, func(t *testing.T) {
			var events []Event
			e := newEngine(t, Config{Events: func(Event) {}})
			p, _ := runAll(t, e, &events, strings.ReplaceAll(ownMetrics, "METRICS", metrics))
			s := valueOf[*Scores](t, e, p, "mine")
			if got := metricColumns(s, true)[0]; got.Better != want.better || got.Doc != "A function of this script." || got.Name != "lost" {
				t.Errorf("the column is %+v", got)
			}
			vs := againstBaselines([][]evalItem{{
				{label: "mine", scores: s, data: &Data{}, model: &Model{}},
				{label: "fill", scores: valueOf[*Scores](t, e, p, "fill"), data: &Data{}, model: &Model{Baseline: "box_fill"}}}})
			switch {
			case want.says == "" && len(vs) != 0:
				t.Errorf("a winner without a side: %v", vs[0])
			case want.says != "" && (len(vs) != 1 || !strings.Contains(vs[0].String(), want.says)):
				t.Errorf("%v, expected %q", vs, want.says)
			}
			if c := valueOf[*Comparison](t, e, p, "c"); c.Higher != want.higher {
				t.Errorf("the comparison says that higher is better: %t", c.Higher)
			}
		})
	}
}

// The same formula has the same value as the program's own metric, to the last digit.
func TestOwnMetricsKeepTheirDigits(t *testing.T) {
	var events []Event
	e := newEngine(t, Config{Events: func(Event) {}})
	p, _ := runAll(t, e, &events, strings.ReplaceAll(strings.ReplaceAll(ownMetrics, "compare c = [mine, fill] { metric: lost }\n", ""), "METRICS", "[dice, overlap]"))
	for _, r := range valueOf[*Scores](t, e, p, "mine").Rows {
		if r.Value(0) != r.Value(1) {
			t.Fatalf("sample %s: %v by its own formula, dice is %v", r.Sample, r.Value(1), r.Value(0))
		}
	}
}

func TestBetterIsWritten(t *testing.T) {
	text := strings.ReplaceAll(ownMetrics, "METRICS", "[lower_is_better(lost(weight: 2))]")
	p := checked(t, text[:strings.Index(text, "compare")])
	b, _ := p.Lookup("fill")
	if got := check.Written(b.Value.(*ir.Node).Arg("metrics")); got != "[lower_is_better(lost(weight: 2))]" {
		t.Error(got)
	}
}

func TestBetterOfWhatIsKnown(t *testing.T) {
	for metric, want := range map[string]string{
		"lower_is_better(dice)":                              "which side of dice is better is known already",
		"lower_is_better(higher_is_better(lost))":            "which side of lost is better is said twice",
		"lower_is_better()":                                  "lower_is_better needs metric",
		"lower_is_better(bce)":                               "lower_is_better",
		"[lower_is_better(lost), higher_is_better(lost)][0]": "",
	} {
		s, diags := syntax.Parse(source.New("a.mseg", "fn lost(p: mask, t: mask) -> scalar = sum((1 - p) * t)\neval e = box_fill |> evaluate(phantom(), metrics: ["+metric+"])\n"), false)
		_, more := check.Script(s, check.Options{})
		diags = append(diags, more...)
		if want == "" && len(diags) == 0 {
			continue
		}
		if len(diags) != 1 || !strings.Contains(diags[0].Summary, want) {
			t.Errorf("%s: %v, expected %q", metric, diags, want)
		}
	}
}

// A metric of the script's own stands where it was asked for, between those that the program has.
func TestOwnMetricsKeepTheirPlace(t *testing.T) {
	mean := func(metrics, field string) float64 {
		var events []Event
		e := newEngine(t, Config{Events: func(Event) {}})
		p, _ := runAll(t, e, &events, `mseg 1
fn lost(p: mask, t: mask) -> scalar = sum((1 - p) * t) / sum(t)
fn found(p: mask, t: mask) -> scalar = sum(p) / sum(t)
data all = phantom(patients: 2, slices: 1, size: 64 px, lesions: 1) |> prep(percentile(0 % .. 100 %) |> resize(32 px))
eval fill = box_ellipse |> evaluate(all, metrics: [`+metrics+`])
`)
		s := valueOf[*Scores](t, e, p, "fill")
		sum := 0.0
		for _, r := range s.Rows {
			sum += r.Value(s.column(field))
		}
		return sum / float64(len(s.Rows))
	}
	for field, alone := range map[string]string{"dice": "dice", "iou": "iou", "lost": "lost", "found": "found"} {
		want := mean(alone, field)
		for _, metrics := range []string{"lost, dice, found, iou", "dice, lost, iou, found", "found, lost, iou, dice"} {
			if got := mean(metrics, field); got != want {
				t.Errorf("%s of [%s] is %g, alone %g", field, metrics, got, want)
			}
		}
	}
}
