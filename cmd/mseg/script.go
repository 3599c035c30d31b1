package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/ops/data"
)

// scriptFlags are shared by the commands that read a script.
type scriptFlags struct {
	Set assignments `help:"Give a param another value: --set epochs=5." placeholder:"NAME=VALUE"`
}

func (f scriptFlags) options() check.Options { return check.Options{Set: f.Set} }

// engineFlags are shared by the commands that compute.
type engineFlags struct {
	Backend string `help:"go, xla or xla:PATH. Without it: xla if its plugin is installed, else go." env:"MSEG_BACKEND" placeholder:"NAME"`
	Data    string `help:"Folder in which relative image patterns are looked for after the script's own." env:"MSEG_DATA" placeholder:"DIR" type:"path"`
	Store   string `help:"Folder of kept results; .mseg beside the script by default." env:"MSEG_STORE" placeholder:"DIR" type:"path"`
	Out     string `help:"Folder reports are written to; NAME.out beside the script by default." placeholder:"DIR" type:"path"`

	TensorBoard string `name:"tensorboard" help:"Folder for curves of the trainings that run, as event files for TensorBoard. No result depends on it." env:"MSEG_TENSORBOARD" placeholder:"DIR" type:"path"`
}

// config completes the flags: without --data, what `mseg data get` has fetched is found.
func (f engineFlags) config(scriptPath string) engine.Config {
	c := engine.Config{Dir: filepath.Dir(scriptPath), Data: f.Data, Store: f.Store, Out: f.Out, Backend: f.Backend, TensorBoard: f.TensorBoard}
	if c.Data == "" {
		if dir, err := data.CacheDir(); err == nil {
			c.Data = dir
		}
	}
	return c
}

// load reads a script and tells its mistakes; exit(1) when there are any.
func load(t *teller, path string, opt check.Options) (*script.Loaded, error) {
	l, err := script.Load(path, opt)
	if err != nil {
		return nil, err
	}
	t.diags(l.Diags, true)
	if l.Diags.HasErrors() {
		return nil, exit(1)
	}
	return l, nil
}

// open loads a script and an engine for it, which is to be closed.
func (f engineFlags) open(t *teller, path string, opt check.Options) (*script.Loaded, *engine.Engine, error) {
	l, err := load(t, path, opt)
	if err != nil {
		return nil, nil, err
	}
	e, err := engine.New(f.config(path))
	return l, e, err
}

// failure tells a failure of the engine at its place in the script.
func failure(t *teller, err error) error {
	if errors.Is(err, context.Canceled) {
		return err // no fault of the script: main words it
	}
	var f *engine.Fault
	if !errors.As(err, &f) || f.Span.IsZero() {
		return err
	}
	d := f.Diagnostic()
	d.Summary, _, _ = strings.Cut(err.Error(), "\n") // with what was wrapped around the fault
	t.diags(diag.List{d}, false)
	return exit(1)
}

func isTerminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
