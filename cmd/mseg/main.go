// Command mseg checks, plans and runs experiments in medical image segmentation written in the mseg language.
//
// Every command is one file here and thin: it reads its flags, calls the packages that do the work and words the outcome. Exit
// codes: 0 done, 1 a mistake or a failure, 2 (plan only) there is work to do, 130 interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/ops/graph"
)

type cli struct {
	Errors  string `help:"How mistakes are told on standard error: full, short (a line each), or json: one document with every fact when the command ends, and nothing else. full is the default, json beside --json." enum:"full,short,json," default:"" env:"MSEG_ERRORS" placeholder:"FORM"`
	Version shown  `help:"Show the version." short:"V" hidden:""`

	Check      checkCmd   `cmd:"" help:"Check scripts without running anything."`
	Plan       planCmd    `cmd:"" help:"List the stages a script needs: run or cached, and why. Exit 0: nothing to do, 2: work to do, 1: error."`
	Why        whyCmd     `cmd:"" help:"Explain why a value would run again: what has changed since the last run, old and new."`
	Run        runCmd     `cmd:"" help:"Run a script. Finished stages are kept and reused; an interrupted run goes on where it stopped."`
	Watch      watchCmd   `cmd:"" help:"Run a script and run it again whenever it is saved; only what an edit touches is computed."`
	Repl       replCmd    `cmd:"" help:"Type statements and expressions and see their values."`
	Inspect    inspectCmd `cmd:"" help:"Show what is in an image, a mask or a file of weights."`
	Weights    weightsCmd `cmd:"" help:"Show, convert and compare files of weights: safetensors, .pth of torch.save, npz."`
	Trace      traceCmd   `cmd:"" help:"Write what a model computes on the way, layer by layer, for inputs of one's own: to compare it with other code."`
	Metrics    metricsCmd `cmd:"" help:"Compare a predicted mask with a reference mask."`
	Data       dataCmd    `cmd:"" help:"Fetch public data sets, or make generated ones."`
	Bench      benchCmd   `cmd:"" help:"Measure how fast this machine encodes, segments and trains."`
	Backend    backendCmd `cmd:"" help:"Install or show the libraries that compute."`
	Doctor     doctorCmd  `cmd:"" help:"Show what this machine and this build can do, and what to do about the rest."`
	Fmt        fmtCmd     `cmd:"" help:"Give scripts the canonical layout. Only blanks change."`
	Fix        fixCmd     `cmd:"" help:"Mend the mistakes for which there is a safe fix."`
	Lint       lintCmd    `cmd:"" help:"Look for experiments that prove less than they seem to: leaks, selection on test data, missing baselines."`
	Test       testCmd    `cmd:"" help:"Test scripts by what they expect: values, diagnostics, and what a second run would compute."`
	Doc        docCmd     `cmd:"" help:"Write the reference of all builtins as Markdown or HTML, or one entry of it."`
	Lsp        lspCmd     `cmd:"" help:"Language server for editors, on standard input and output."`
	Explain    explainCmd `cmd:"" help:"Explain a diagnostic code, with an example that fails and one that does not."`
	VersionCmd versionCmd `cmd:"" name:"version" help:"Show the version; --version and -V do too."`
}

type versionCmd struct{}

func (versionCmd) Run() error {
	fmt.Println(engine.Version())
	return nil
}

// exit carries an exit code without a message: what there was to say has been said.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

func main() {
	if len(os.Args) == 3 && os.Args[1] == graph.ProbeFlag {
		os.Exit(graph.ProbeMain(os.Args[2]))
	}
	os.Exit(run(os.Args[1:]))
}

func run(args []string) (code int) {
	var c cli
	t := newTeller(args)
	defer func() {
		if r := recover(); r != nil {
			code = t.panicked(r)
		}
		t.close()
	}()
	ctx, stop := interruptible(t)
	defer stop()
	parser, err := kong.New(&c, kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(t), kong.Name("mseg"), kong.Description("A language for experiments in medical image segmentation."),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		t.failed(diag.CommandFailed, err, "")
		return 1
	}
	k, err := parser.Parse(customary(args))
	if err != nil {
		err, help := misused(err)
		t.failed(diag.BadUsage, err, help)
		return 1
	}
	err = k.Run()
	var ended exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended):
		return int(ended)
	case errors.Is(err, context.Canceled):
		t.failed(diag.CommandFailed, errors.New(strings.TrimSpace("interrupted; "+strings.TrimSuffix(err.Error(), ": context canceled"))), "")
		return 130
	}
	t.failed(diag.CommandFailed, err, "")
	return 1
}

func commandPath(e *kong.ParseError) string {
	if e.Context != nil && e.Context.Selected() != nil {
		return e.Context.Selected().FullPath()[len("mseg "):] + " "
	}
	return ""
}

// interruptible gives a context that the first Ctrl-C or TERM ends, so that a running step can finish and write its checkpoint;
// the second one ends the program at once.
func interruptible(t *teller) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-signals:
				if n > 0 {
					os.Exit(130)
				}
				t.remark("\nstopping after this step (again: at once)")
				cancel()
			case <-done:
				return
			}
		}
	}()
	return ctx, func() { signal.Stop(signals); close(done); cancel() }
}
