package engine

import (
	"slices"
	"time"

	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/models"
	"github.com/mseg-lang/mseg/ops/graph"
	"github.com/mseg-lang/mseg/ops/train"
)

// checkpointAfter is how much of a long epoch a run that is killed may lose.
const checkpointAfter = 5 * time.Minute

// optimizerOf reads how the weights are changed: the optimiser with its groups of parameters and its schedule, and what a training says about
// its steps.
func optimizerOf(n *ir.Node, m *Model, samples int, cfg *train.Config) error {
	opt := n.Node("optimizer")
	cfg.Rate = opt.Num("rate")
	if r := n.Arg("rate"); r != nil {
		cfg.Rate = n.Num("rate")
	}
	switch opt.Op {
	case "adamw":
		cfg.Optimizer = graph.AdamW{Beta1: opt.Num("beta1"), Beta2: opt.Num("beta2"), Eps: opt.Num("epsilon"), WeightDecay: opt.Num("weight_decay")}
	case "sgd":
		cfg.Optimizer = graph.SGD{Momentum: opt.Num("momentum"), Nesterov: opt.Flag("nesterov"), WeightDecay: opt.Num("weight_decay")}
	default:
		return fault(opt.Span, "%s is no optimizer", opt.Op)
	}
	rates, _ := opt.Arg("rates").(ir.Map)
	// The order of a map means nothing: what a part is given counts, all is for the rest.
	entries := slices.Clone(rates.Entries)
	slices.SortStableFunc(entries, func(a, b ir.Entry) int {
		rank := map[bool]int{true: 0, false: 1}
		return rank[a.Key == models.All] - rank[b.Key == models.All]
	})
	for _, e := range entries {
		contains, err := m.Built.Group(e.Key)
		if err != nil {
			return fault(e.Span, "%w", err)
		}
		f, _ := e.Value.(ir.Number)
		cfg.Groups = append(cfg.Groups, train.Group{Name: e.Key, Contains: contains, Factor: f.V})
	}
	for _, v := range opt.Items("no_decay") {
		switch w, _ := v.(ir.Word); w.Text {
		case "norm":
			cfg.NoDecay.Norm = true
		case "bias":
			cfg.NoDecay.Bias = true
		}
	}
	rulesOf(n, cfg)
	return scheduleOf(opt.Node("schedule"), samples, cfg)
}

// rulesOf reads the optional arguments of a training; all are absent in most scripts.
func rulesOf(n *ir.Node, cfg *train.Config) {
	cfg.Accumulate, cfg.ClipNorm, cfg.Average = n.Int("accumulate"), n.Num("clip"), n.Num("ema")
	cfg.Precision, cfg.Recompute = precisionOf(n), n.Flag("recompute")
	if stop := n.Node("stop"); stop != nil {
		cfg.Patience = train.Patience{Epochs: stop.Int("epochs"), Least: stop.Num("least")}
	}
}

func scheduleOf(sched *ir.Node, samples int, cfg *train.Config) error {
	cfg.Schedule = train.Schedule{Kind: sched.Op}
	switch sched.Op {
	case "warmup_cosine":
		w, _ := sched.Arg("warmup").(ir.Number)
		if inSteps(w) {
			each := cfg.BatchSize * max(cfg.Accumulate, 1)
			w.V /= float64((samples + each - 1) / each)
		}
		cfg.Schedule.Warmup, cfg.Schedule.Floor = w.V, sched.Num("floor")
	case "poly":
		cfg.Schedule.Power = sched.Num("power")
	case "step_decay":
		w, _ := sched.Arg("every").(ir.Number)
		if inSteps(w) {
			if cfg.Schedule.EverySteps = int(w.V); float64(cfg.Schedule.EverySteps) != w.V {
				return fault(sched.ArgSpan("every"), "a fall every %g steps: the number must be whole", w.V)
			}
		} else {
			cfg.Schedule.Every = w.V
		}
		cfg.Schedule.Factor = sched.Num("factor")
	}
	return at(sched.Span, cfg.Schedule.Check(cfg.Epochs))
}

func inSteps(t ir.Number) bool { return t.Unit == "steps" || t.Unit == "step" }
