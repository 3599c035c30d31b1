package main

import (
	"fmt"
	"os"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/lang/check"
	"github.com/mseg-lang/mseg/lang/diag"
)

type fixCmd struct {
	Scripts []string `arg:"" help:"Scripts, or folders with scripts; - reads standard input and writes standard output." placeholder:"FILE"`
	Diff    bool     `short:"d" help:"Show the changes and make none."`
}

func (c fixCmd) Run(t *teller) error {
	paths, err := scriptFiles(c.Scripts)
	if err != nil {
		return err
	}
	var left diag.List
	for _, path := range paths {
		text, err := script.Read(path)
		if err != nil {
			return err
		}
		out, n, diags := fixed(script.Name(path), text)
		left = append(left, diags...)
		switch {
		case c.Diff:
			os.Stdout.Write(diff.Diff(script.Name(path), []byte(text), script.Name(path)+" fixed", []byte(out)))
		case path == "-":
			fmt.Print(out)
		case n > 0:
			if err := writeScript(path, out); err != nil {
				return err
			}
			fmt.Printf("%s: %s mended\n", path, diag.Counted(n, "mistake"))
		}
	}
	if len(left) > 0 {
		t.diags(left, false)
		t.remark(fmt.Sprintf("%s without a safe fix", diag.Counted(len(left), "mistake")))
		t.footer(left)
		return exit(1)
	}
	return nil
}

// fixed applies safe fixes until there are none: mending one mistake may show the next. What is left is returned.
func fixed(name, text string) (string, int, diag.List) {
	total := 0
	for {
		l := script.Text(name, text, check.Options{})
		out, n := diag.ApplyFixes(l.File, l.Diags)
		if n == 0 || out == text || total > 10_000 {
			return text, total, l.Diags
		}
		text, total = out, total+n
	}
}
