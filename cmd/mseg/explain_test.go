package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/diag"
)

// Examples of explanations that fail only when they are run, or that are command lines: each fails with its code, and its mended form does not.
func TestExplainedFailures(t *testing.T) {
	t.Setenv("MSEG_BACKEND", "go")
	for _, e := range diag.Explanations() {
		if !e.AtRun && !e.Command {
			continue
		}
		t.Run(string(e.Code), func(t *testing.T) {
			dir := t.TempDir()
			study := filepath.Join(dir, "study.mseg")
			attempt := func(text string) []string {
				args := []string{"run", "--quiet", study}
				if e.Command {
					args = strings.Fields(strings.TrimPrefix(strings.ReplaceAll(text, "study.mseg", study), "mseg "))
					text = "data d = phantom()\n"
				}
				if err := os.WriteFile(study, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				_, stderr, _ := mseg(t, append(args, "--errors=json")...)
				var got struct{ Diagnostics []diag.Record }
				if err := json.Unmarshal([]byte(stderr), &got); err != nil {
					t.Fatalf("%v: %s", err, stderr)
				}
				var found []string
				for _, d := range got.Diagnostics {
					found = append(found, string(d.Code)+" "+d.Message)
				}
				return found
			}
			if got := attempt(e.Failing); len(got) != 1 || !strings.HasPrefix(got[0], string(e.Code)) {
				t.Errorf("failing example: %q", got)
			}
			if got := attempt(e.Fixed); len(got) != 0 {
				t.Errorf("fixed example: %q", got)
			}
		})
	}
}
