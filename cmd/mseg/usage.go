package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/mseg-lang/mseg/interp/engine"
)

// customary turns what people type out of habit into what there is: no arguments and `help` into --help, `help run` into `run --help`.
func customary(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(args[1:len(args):len(args)], "--help")
	}
	return args
}

// assignments are NAME=VALUE, given once each, several times on a command line. A value may hold any character.
type assignments map[string]string

// Decode reads one more of them for kong.
func (a *assignments) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("value", &text); err != nil {
		return errors.New("missing value, expecting NAME=VALUE")
	}
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return fmt.Errorf("expected NAME=VALUE, found %q", text)
	}
	if _, twice := (*a)[name]; twice {
		return fmt.Errorf("%s is given twice", name)
	}
	if *a == nil {
		*a = assignments{}
	}
	(*a)[name] = value
	return nil
}

var expected = regexp.MustCompile(`^expected (one of )?`)

// wordings are what the library says of flags and their values, and what mseg says of the same: found, and expected.
var wordings = []struct {
	of *regexp.Regexp
	as string
}{
	{regexp.MustCompile(`^(\S+): expected \S+ value but got "EOL".*$`), `$1 needs a value`},
	{regexp.MustCompile(`^(\S+): expected \S+ value but got "(--?[^"]*)".*$`), `$1 needs a value, found the flag $2`},
	{regexp.MustCompile(`^(\S+): expected an? (?:valid \d+ bit )?u?int but got ("[^"]*").*$`), `$1: found $2, expected a whole number`},
	{regexp.MustCompile(`^(\S+): expected a float but got ("[^"]*").*$`), `$1: found $2, expected a number`},
	{regexp.MustCompile(`^(\S+): expected duration but got ("[^"]*").*$`), `$1: found $2, expected a duration such as 90s or 2m`},
	{regexp.MustCompile(`^(\S+) must be one of (.*) but got (.*)$`), `$1: found $3, expected one of $2`},
}

// misused words a command line that cannot be read: what is wrong, and how to see what is right.
func misused(err error) (error, string) {
	var pe *kong.ParseError
	if !errors.As(err, &pe) {
		return err, ""
	}
	path, text := commandPath(pe), err.Error()
	name := strings.TrimSpace(path)
	switch {
	case name == "" && strings.HasPrefix(text, "unexpected argument "):
		text = "there is no command " + strings.TrimPrefix(text, "unexpected argument ")
	case name != "" && expected.MatchString(text):
		text = expected.ReplaceAllString(text, name+" needs $1")
		text = strings.ReplaceAll(text, `"`, "")
	}
	for _, w := range wordings {
		if w.of.MatchString(text) {
			text = w.of.ReplaceAllString(text, w.as)
			text = strings.ReplaceAll(text, `,""`, "") // what is chosen without the flag
			text = strings.ReplaceAll(text, `","`, `", "`)
			if !strings.Contains(text, `", "`) {
				text = strings.Replace(text, "expected one of ", "expected ", 1)
			}
			break
		}
	}
	return errors.New(text), fmt.Sprintf("try: mseg %s--help", path)
}

// shown is the flag --version.
type shown bool

// BeforeReset answers the flag before anything else of the command line is looked at.
func (shown) BeforeReset(app *kong.Kong) error {
	fmt.Fprintln(app.Stdout, engine.Version())
	app.Exit(0)
	return nil
}
