package engine

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/graph"
)

// backendLine is what results depend on besides the script, without the place of the plugin on this machine.
func backendLine(notes any) string {
	var p graph.Provenance
	b, err := json.Marshal(notes)
	if err != nil || json.Unmarshal(b, &p) != nil {
		return "not recorded"
	}
	s := fmt.Sprintf("%s, %d threads", p.Backend, p.Threads)
	if p.Device != "" {
		s = p.Backend + ", " + p.Device
	}
	if p.PluginSHA256 != "" {
		s += fmt.Sprintf(", PJRT %s, plugin sha256 %s", p.PJRT, p.PluginSHA256)
	} else if !p.SIMD {
		s += ", without SIMD"
	}
	return s
}

// provenance says what was run on what, without names of people, absolute paths or the time of day.
func (j *Job) provenance(n *ir.Node, evals []evalItem) [][2]string {
	var out [][2]string
	add := func(k, v string) {
		for _, o := range out {
			if o[0] == k && o[1] == v {
				return
			}
		}
		out = append(out, [2]string{k, v})
	}
	add("program", Version())
	for _, p := range j.params {
		v := check.Show(p.Value)
		if p.Set {
			v += " (set on the command line)"
		}
		add("param "+p.Name, v)
	}
	for _, e := range evals {
		for _, o := range e.data.Origins {
			add("images", o)
		}
		for _, p := range e.data.Preps {
			if b, err := json.Marshal(p); err == nil {
				add("preparation", string(b))
			}
		}
	}
	for x := range ir.InputsFirst(j.inputs, n) {
		st, ok := stages[x.Op]
		if !ok || st.run == nil || x.Op == "report" {
			continue
		}
		a, err := j.store.Get(j.Engine.Key(x))
		if err != nil {
			continue
		}
		if p, ok := a.Notes["plan"].(string); ok {
			add("plan of "+j.label(x), p)
		}
		if b, ok := a.Notes["backend"]; ok {
			text := backendLine(b)
			if begun, ok := a.Notes["begun_on"].(string); ok {
				text += ", begun on " + begun
			}
			add("backend of "+j.label(x), text)
		}
		if s, ok := a.Notes["seconds"].(float64); ok {
			text := fmt.Sprintf("%.0f s, %v steps, %v samples", s, a.Notes["steps"], a.Notes["samples"])
			if busy, ok := a.Notes["busy"].(float64); ok && busy > 0 {
				text += fmt.Sprintf(", computing for %.0f %% of the time", 100*busy)
			}
			add("time of "+j.label(x), text)
		}
		add("identity of "+j.label(x)+" ("+x.Op+")", store.Short(j.Engine.Key(x)))
	}
	add("machine", fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()))
	return out
}
