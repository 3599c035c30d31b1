package builtin

// metricNames are the metrics an eval can hold: fields of eval and compare.
var metricNames = []string{"dice", "iou", "sensitivity", "specificity", "precision", "cldice", "rvd", "hd95", "assd", "masd", "nsd", "boundary_iou"}

func init() {
	registerWords(Words{Name: "length unit", Doc: "unit of a distance", Items: []string{"px", "mm"}})
	registerWords(Words{Name: "mask choice", Doc: "which of several proposed masks counts",
		Items: []string{"predicted_iou", "first", "oracle"},
		Docs:  []string{"the one whose predicted IoU is highest", "the first", "the one with the best Dice against the truth: flatters; only for comparison with papers that did so"}})
	registerWords(Words{Name: "hd95 variant", Doc: "how two directed distances become one",
		Items: []string{"max", "pooled", "surfel", "medsegx"},
		Docs: []string{"larger of the two directed 95th percentiles (MONAI, Metrics Reloaded)", "95th percentile of both together (MedPy)",
			"area-weighted surface elements (Nikolov et al.)", "max with MedSegX's rule for empty masks; px only"}})
	registerWords(Words{Name: "surface variant", Doc: "what a surface is made of", Items: []string{"edge", "surfel"},
		Docs: []string{"edge pixels", "surface elements weighted by area (Nikolov et al.)"}})
	register(Builtin{Name: "evaluate", Result: result("eval"), Stage: true,
		Doc: "Predicts every sample and measures the predictions. Predictions are kept: another metric or grouping measures them anew without running the model.",
		Params: []Param{
			piped("model", "model", "model to measure"),
			need("data", "data", "prepared samples"),
			p("metrics", "list<metric>", "[dice, hd95(mm), nsd(2 mm)]", "what is measured"),
			p("by", "list<word<case field>>", "[body_part, organ, task]", "groups of the tables"),
			p("ci", "number<%>", "95 %", "confidence level of the intervals").within(50, 99.9),
			p("prompt", "prompt", "box()", "what is shown of the mask that is looked for"),
			p("select", "word<mask choice>", "predicted_iou", "which proposed mask counts"),
			p("seed", "int", "0", "seed of what is random in a prompt").atLeast(0),
			p("inference", "inference", "", "how a network sees samples that are larger than it: sliding(…); the whole at once when absent"),
			p("batch", "int", "8", "samples at a time").within(1, 4096).cosmetic(),
		},
		Example: "box_ellipse |> evaluate(samples)", Frame: samples})
	for _, m := range [][2]string{
		{"dice", "Dice similarity coefficient, 2TP / (2TP + FP + FN)."},
		{"iou", "Intersection over union, TP / (TP + FP + FN)."},
		{"sensitivity", "Share of the reference that was found, TP / (TP + FN)."},
		{"specificity", "Share of the background that was left alone, TN / (TN + FP)."},
		{"precision", "Share of the prediction that is right, TP / (TP + FP)."},
		{"cldice", "Centre-line Dice of thin structures (Shit et al. 2021)."},
		{"rvd", "Signed relative difference of the areas, (prediction − reference) / reference."},
	} {
		register(Builtin{Name: m[0], Result: result("metric"), Doc: m[1], Example: m[0]})
	}
	unit := p("unit", "word<length unit>", "mm", "px of the prepared image, or mm by its spacing")
	surface := p("variant", "word<surface variant>", "edge", "what a surface is made of")
	register(Builtin{Name: "hd95", Result: result("metric"),
		Doc:     "95th percentile of the Hausdorff distance between the edges. An empty prediction counts as the image diagonal and is flagged.",
		Params:  []Param{unit, p("variant", "word<hd95 variant>", "max", "how the two directions are joined")},
		Example: "hd95(mm)"})
	for _, m := range [][2]string{
		{"assd", "Average symmetric surface distance, pooled over both edges."},
		{"masd", "Mean of the two directed mean surface distances."},
	} {
		register(Builtin{Name: m[0], Result: result("metric"), Doc: m[1], Params: []Param{unit, surface}, Example: m[0] + "(mm)"})
	}
	register(Builtin{Name: "nsd", Result: result("metric"),
		Doc:     "Normalised surface Dice: share of both surfaces within the tolerance of the other (Nikolov et al. 2018).",
		Params:  []Param{need("tolerance", "number<px,mm>", "largest distance that counts as right").atLeast(0), surface},
		Example: "nsd(2 mm)"})
	register(Builtin{Name: "boundary_iou", Result: result("metric"),
		Doc:     "IoU of the bands of mask pixels nearer to the edge than the width (Cheng et al. 2021).",
		Params:  []Param{need("width", "number<px,mm>", "width of the band").above(0)},
		Example: "boundary_iou(2 px)"})

	own := []Param{need("metric", "metric", "fn(predicted: mask, reference: mask, …) -> scalar")}
	register(Builtin{Name: "lower_is_better", Result: result("metric"), Params: own,
		Doc:     "A metric that the script has written, of which less is better. Without a side, the metric is measured and compared, but findings, verdicts and tables name no winner in it.",
		Example: "lower_is_better(missed)", Frame: "fn missed(p: mask, t: mask) -> scalar = sum((1 - p) * t) / sum(t)"})
	register(Builtin{Name: "higher_is_better", Result: result("metric"), Params: own,
		Doc:     "A metric that the script has written, of which more is better; see lower_is_better.",
		Example: "higher_is_better(overlap)", Frame: "fn overlap(p: mask, t: mask) -> scalar = 2 * sum(p * t) / (sum(p) + sum(t))"})

	registerWords(Words{Name: "paired test", Doc: "test of two evals of the same samples",
		Items: []string{"paired_t", "wilcoxon"}, Docs: []string{"two-sided paired t-test", "two-sided Wilcoxon signed-rank test"}})
	registerWords(Words{Name: "correction", Doc: "correction for several comparisons",
		Items: []string{"holm", "bonferroni", "bh", "uncorrected"}})
	register(Builtin{Name: "compare", Result: result("compare"), Stage: true,
		Doc: "Compares evals of the same samples pair by pair: difference of means with confidence interval and p value. The first eval is compared with each other one.",
		Params: []Param{
			piped("evals", "list<eval>", "two or more evals of the same data"),
			p("metric", "word<compared metric> | metric", "dice", "what is compared: a metric of the evals, by its name, or with its arguments where they hold it in several ways: hd95(px)"),
			p("test", "word<paired test>", "wilcoxon", "test of the differences"),
			p("correct", "word<correction>", "holm", "correction for several comparisons"),
			p("ci", "number<%>", "95 %", "confidence level").within(50, 99.9),
		},
		Example: "[box_ellipse |> evaluate(samples), box_fill |> evaluate(samples)] |> compare(test: wilcoxon)", Frame: samples})
	registerWords(Words{Name: "compared metric", Doc: "metric of a comparison", Items: metricNames})
	register(Builtin{Name: "gates", Result: result("figure"), Stage: true,
		Doc:     "Mean gate weights of a model with experts over data, task × expert for every block: which experts serve which task.",
		Params:  []Param{piped("model", "model", "model with experts"), need("data", "data", "prepared samples"), p("batch", "int", "8", "samples at a time").within(1, 4096).cosmetic()},
		Example: "sam_tiny(image: 64 px) |> adapt(mixture(4)) |> gates(samples)", Frame: samples})
	register(Builtin{Name: "report", Result: result("report"), Stage: true,
		Doc: "One self-contained HTML page with CSV and JSON beside it: tables with confidence intervals, loss curves, overlays, gates, and where every number comes from.",
		Params: []Param{
			piped("items", "list<eval | compare | figure>", "what to show, in this order"),
			p("title", "string", "", "title of the page").cosmetic(),
			p("overlays", "int", "12", "number of example images").within(0, 1000),
		},
		Example: `[box_fill |> evaluate(samples)] |> report(title: "Baseline")`, Frame: samples})

	for _, m := range metricNames {
		registerField("eval", m, "measure", m+" over all samples; [Task] narrows it to a task")
		registerField("compare", m, "measure", "difference of "+m)
	}
	registerField("eval", "n", "number", "number of samples")
	for f, d := range map[string]string{"mean": "mean", "sd": "standard deviation", "n": "number of values", "median": "median", "low": "lower end of the confidence interval", "high": "upper end of the confidence interval"} {
		registerField("measure", f, "number", d)
	}
}
