package watch

import (
	"context"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/interp/engine"
)

// begun is a job with the given stages running, the innermost last.
func begun(t *testing.T, keys ...string) (*job, context.Context) {
	t.Helper()
	j := newJob(&version{}, &screen{})
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	j.cancel = cancel
	for _, k := range keys {
		j.event(engine.Event{Kind: "start", Stage: k, Op: "train", Key: k})
	}
	return j, ctx
}

func want(keys ...string) *version {
	v := &version{keys: map[string]bool{}}
	for _, k := range keys {
		v.keys[k] = true
	}
	return v
}

func TestSupersede(t *testing.T) {
	cases := []struct {
		name    string
		running []string
		newer   *version
		says    string
		stops   bool
	}{
		{"the running stage is wanted", []string{"a"}, want("a", "b"), "a (train) is wanted as it is and goes on", false},
		{"it is not", []string{"a"}, want("b"), "a (train) is no longer wanted and stops", true},
		{"only what runs innermost counts", []string{"outer", "inner"}, want("inner"), "inner (train) is wanted", false},
		{"nothing runs just now", nil, want("a"), "the run before is given up", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			j, ctx := begun(t, c.running...)
			if got := j.supersede(c.newer); !strings.Contains(got, c.says) {
				t.Errorf("said %q, want %q", got, c.says)
			}
			if got := ctx.Err() != nil; got != c.stops {
				t.Errorf("stopped: %t, want %t", got, c.stops)
			}
		})
	}
}

func TestSupersededRunEndsWithItsStage(t *testing.T) {
	j, ctx := begun(t, "a")
	j.supersede(want("a"))
	j.event(engine.Event{Kind: "progress", Key: "a"})
	if ctx.Err() != nil {
		t.Fatal("stopped while the wanted stage runs")
	}
	j.event(engine.Event{Kind: "done", Key: "a"})
	if ctx.Err() == nil {
		t.Error("the old run goes on after the wanted stage")
	}
}

func TestSupersededRunStopsAtAnUnwantedStage(t *testing.T) {
	j, ctx := begun(t, "a")
	j.supersede(want("a"))
	j.event(engine.Event{Kind: "start", Key: "b"})
	if ctx.Err() == nil {
		t.Error("a stage that nobody wants was begun")
	}
}

func TestEditTakenBack(t *testing.T) {
	j, ctx := begun(t, "a")
	j.supersede(want("a"))
	if !j.goOn() {
		t.Fatal("the run was stopped")
	}
	j.event(engine.Event{Kind: "done", Key: "a"})
	if ctx.Err() != nil {
		t.Error("the run was stopped though the script means again what it runs")
	}
	j, _ = begun(t, "a")
	j.supersede(want("b"))
	if j.goOn() {
		t.Error("a stopped run cannot go on")
	}
}
