package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/rogpeppe/go-internal/diff"

	"github.com/mseg-lang/mseg/interp/script"
	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/format"
)

type fmtCmd struct {
	Scripts []string `arg:"" help:"Scripts, or folders with scripts; - reads standard input and writes standard output." placeholder:"FILE"`
	Check   bool     `help:"List the files whose layout differs and change nothing; exit 1 if there are any."`
	Diff    bool     `short:"d" help:"Show the changes and make none."`
}

func (c fmtCmd) Run(t *teller) error {
	paths, err := scriptFiles(c.Scripts)
	if err != nil {
		return err
	}
	var bad diag.List
	differ := 0
	for _, path := range paths {
		text, err := script.Read(path)
		if err != nil {
			return err
		}
		out, diags := format.Text(script.Name(path), text)
		if diags.HasErrors() {
			bad = append(bad, diags...)
			continue
		}
		if !format.Same(text, out) {
			return fmt.Errorf("%s: formatting would change more than blanks; nothing was written: please report this", script.Name(path))
		}
		if out != text {
			differ++
		}
		switch {
		case c.Diff:
			os.Stdout.Write(diff.Diff(script.Name(path), []byte(text), script.Name(path)+" formatted", []byte(out)))
		case c.Check:
			if out != text {
				fmt.Println(script.Name(path))
			}
		case path == "-":
			fmt.Print(out)
		case out != text:
			if err := writeScript(path, out); err != nil {
				return err
			}
		}
	}
	if len(bad) > 0 {
		t.diags(bad, false)
		t.footer(bad)
		return exit(1)
	}
	if c.Check && differ > 0 {
		return exit(1)
	}
	return nil
}

// scriptFiles replaces folders by the scripts in them, hidden folders left out.
func scriptFiles(args []string) ([]string, error) {
	var out []string
	for _, a := range args {
		if st, err := os.Stat(a); a == "-" || err != nil || !st.IsDir() {
			if a != "-" {
				if err := script.Exists(a); err != nil {
					return nil, err
				}
			}
			out = append(out, a)
			continue
		}
		found := len(out)
		err := filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path != a && strings.HasPrefix(d.Name(), "."):
				return filepath.SkipDir
			case !d.IsDir() && filepath.Ext(path) == ".mseg" && d.Name() != ".mseg":
				out = append(out, path)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("cannot look through %s: %w", a, err)
		}
		if len(out) == found {
			return nil, fmt.Errorf("there are no .mseg files in %s", a)
		}
	}
	return out, nil
}

// writeScript replaces a file at once or not at all; a link stays a link.
func writeScript(path, text string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return writeFile(real, []byte(text))
}

func writeFile(path string, b []byte) error {
	if err := renameio.WriteFile(path, b, 0o644, renameio.WithExistingPermissions()); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}
