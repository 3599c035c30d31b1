package engine

import (
	"path/filepath"
	"testing"

	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/ir"
	"github.com/mseg-lang/mseg/lang/source"
	"github.com/mseg-lang/mseg/lang/syntax"
)

// newEngine is an engine with a store of its own on the go backend, unless the configuration says otherwise.
func newEngine(t *testing.T, cfg Config) *Engine {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Store == "" {
		cfg.Store = filepath.Join(cfg.Dir, "store")
	}
	if cfg.Backend == "" {
		cfg.Backend = "go"
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// checked is a script without mistakes; bare expressions are allowed.
func checked(t *testing.T, text string) *ir.Program {
	t.Helper()
	s, diags := syntax.Parse(source.New("test.mseg", text), true)
	p, more := check.Script(s, check.Options{})
	for _, d := range append(diags, more...) {
		t.Fatalf("%v\n%s", d, text)
	}
	return p
}

// expression is the value of one expression.
func expression(t *testing.T, text string) ir.Value {
	t.Helper()
	return checked(t, text).Bare[0].Value
}
