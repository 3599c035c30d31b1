package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/interp/expect"
	"github.com/mseg-lang/mseg/lang/diag"
)

type testCmd struct {
	scriptFlags
	engineFlags
	Scripts []string `arg:"" optional:"" help:"Scripts, or folders in which scripts named *_test.mseg are looked for; this folder by default." placeholder:"FILE"`
	Only    string   `name:"run" help:"Only tests of which FILE: NAME matches." placeholder:"REGEXP"`
	JSON    bool     `help:"Write the results as one JSON object."`
	JUnit   string   `name:"junit" help:"Write the results to a file as JUnit XML as well." placeholder:"FILE" type:"path"`
	Verbose bool     `short:"v" help:"Show the progress of the runs."`
}

func (c testCmd) Run(ctx context.Context, t *teller) error {
	opt := expect.Options{Check: c.options()}
	if c.Only != "" {
		re, err := regexp.Compile(c.Only)
		if err != nil {
			return fmt.Errorf("--run: %w", err)
		}
		opt.Only = re
	}
	scripts, err := testScripts(c.Scripts)
	if err != nil {
		return err
	}
	results := []expect.Result{}
	failed := 0
	for _, path := range scripts {
		opt.Engine = c.config(path)
		finish := func() {}
		if c.Verbose && !t.quiet() {
			p := newProgress(os.Stderr)
			opt.Engine.Events, finish = p.event, p.close
		} else {
			opt.Engine.Events = func(engine.Event) {}
		}
		err := expect.Script(ctx, path, opt, func(r expect.Result) {
			results = append(results, r)
			if !r.Passed {
				failed++
				if t.asked && t.form != diag.Full {
					t.diags(r.Mistakes(), false)
				}
			}
			if !c.JSON {
				printResult(r)
			}
		})
		finish()
		if err != nil {
			return err
		}
	}
	if len(results) == 0 {
		return fmt.Errorf("no test matches --run %s", c.Only)
	}
	if c.JUnit != "" {
		b, err := expect.JUnit(results)
		if err != nil {
			return err
		}
		if err := writeFile(c.JUnit, b); err != nil {
			return err
		}
	}
	if c.JSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]any{"tests": results, "passed": len(results) - failed, "failed": failed}); err != nil {
			return err
		}
	} else {
		fmt.Printf("%s, %d failed\n", diag.Counted(len(results), "test"), failed)
	}
	if failed > 0 {
		return exit(1)
	}
	return nil
}

func printResult(r expect.Result) {
	verdict := "pass"
	if !r.Passed {
		verdict = "FAIL"
	}
	fmt.Printf("%s  %6.2f s  %s\n", verdict, r.Seconds, r.Title())
	if !r.Passed {
		fmt.Printf("      %s\n", strings.ReplaceAll(r.Explain(), "\n", "\n      "))
	}
}

// testScripts are the scripts named, and those named *_test.mseg in the folders named.
func testScripts(args []string) ([]string, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	var out []string
	for _, a := range args {
		found, err := scriptFiles([]string{a})
		if err != nil {
			return nil, err
		}
		if st, err := os.Stat(a); err != nil || !st.IsDir() {
			out = append(out, found...)
			continue
		}
		n := len(out)
		for _, f := range found {
			if strings.HasSuffix(f, "_test.mseg") {
				out = append(out, f)
			}
		}
		if len(out) == n {
			return nil, fmt.Errorf("there are no scripts named *_test.mseg in %s; name a script to test another", a)
		}
	}
	return out, nil
}
