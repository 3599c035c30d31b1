package engine

import (
	"fmt"
	"strings"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/ops/graph"
)

// Job is one computation of a kept stage.
type Job struct {
	*Engine
	Node  *ir.Node
	Key   string
	Label string
}

func (j *Job) event(ev Event) {
	ev.Stage, ev.Op, ev.Key = j.Label, j.Node.Op, store.Short(j.Key)
	j.cfg.Events(ev)
}

// note says something a reader of the run should know.
func (j *Job) note(format string, args ...any) {
	j.event(Event{Kind: "note", Text: fmt.Sprintf(format, args...)})
}

// noteOnce says something once that holds for the items of a sweep alike: sweep: … instead of sweep[0]: …, sweep[1]: …
func (j *Job) noteOnce(format string, args ...any) {
	stage, _, _ := strings.Cut(j.Label, "[")
	text := fmt.Sprintf(format, args...)
	if key := stage + ": " + text; !j.said[key] {
		j.said[key] = true
		j.cfg.Events(Event{Kind: "note", Stage: stage, Op: j.Node.Op, Key: store.Short(j.Key), Text: text})
	}
}

// Backend opens the backend for a stage that has declared to compute on it: what has not would be told too late that there is none.
func (j *Job) Backend() (*graph.Backend, error) {
	if stages[j.Node.Op].device == nil {
		return nil, fmt.Errorf("internal fault: %s computes on the backend, which its stage does not say", j.Node.Op)
	}
	return j.Engine.Backend()
}
