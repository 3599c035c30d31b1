package watch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mseg-lang/mseg/interp/engine"
)

// job is one run of a version.
type job struct {
	version *version
	view    View
	started time.Time
	cancel  context.CancelFunc
	done    chan struct{} // closed when out and err are set

	out *engine.Outcome
	err error

	mu       sync.Mutex
	running  []engine.Event  // stages that have begun and not ended, the innermost last
	ran      []string        // stages that have ended, by name
	wanted   map[string]bool // stages of a newer version; nil while there is none
	stopping bool
}

func newJob(v *version, view View) *job {
	return &job{version: v, view: view, done: make(chan struct{})}
}

func (j *job) start(ctx context.Context, e *engine.Engine) {
	ctx, j.cancel = context.WithCancel(ctx)
	j.started = time.Now()
	go func() {
		defer close(j.done)
		defer j.cancel()
		defer func() {
			if r := recover(); r != nil {
				j.err = fmt.Errorf("internal fault: %v", r)
			}
		}()
		j.out, j.err = e.Run(ctx, j.version.loaded.Program, j.version.loaded.File.Text)
	}()
}

// event follows the stages and stops the run where a newer version has no use for what comes next.
func (j *job) event(e engine.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch e.Kind {
	case "start":
		j.running = append(j.running, e)
	case "done", "failed":
		for i := len(j.running) - 1; i >= 0; i-- {
			if j.running[i].Key == e.Key {
				j.running = append(j.running[:i], j.running[i+1:]...)
				break
			}
		}
		if e.Kind == "done" {
			j.ran = append(j.ran, stageName(e.Stage, e.Op))
		}
	}
	if e.Kind == "failed" && j.stopping {
		e.Kind = "stopped"
	}
	if e.Kind != "cached" { // named in the summary of the plan
		j.view.Event(e)
	}
	j.stopIfUseless()
}

// line shows a line among the events.
func (j *job) line(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.view.Line(text)
}

// supersede tells the job of a newer version and says what becomes of it.
func (j *job) supersede(v *version) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wanted = v.keys
	if j.stopIfUseless() {
		if n := len(j.running); n > 0 {
			return stageName(j.running[n-1].Stage, j.running[n-1].Op) + " is no longer wanted and stops after this step"
		}
		return "the run before is given up"
	}
	last := j.running[len(j.running)-1]
	return stageName(last.Stage, last.Op) + " is wanted as it is and goes on; the edit comes after it"
}

// goOn takes a supersede back: the script means again what is running. False when the job has been stopped already.
func (j *job) goOn() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.wanted != nil && j.stopIfUseless() {
		return false
	}
	j.wanted = nil
	return true
}

func (j *job) stopIfUseless() bool {
	if j.wanted == nil {
		return false
	}
	if n := len(j.running); n > 0 && j.wanted[j.running[n-1].Key] {
		return false
	}
	j.stopping = true
	j.cancel()
	return true
}

// stop ends the run at its next step.
func (j *job) stop() {
	j.mu.Lock()
	j.stopping = true
	j.mu.Unlock()
	j.cancel()
}

func (j *job) ranStages() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.ran...)
}
