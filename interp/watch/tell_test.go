package watch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/lang/diag"
)

// Each text that is looked at is told of once, also when it has no mistakes: a program that listens knows then that it has been looked at.
func TestEverySaveIsToldOf(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.mseg")
	save := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	save("param n = 1\n")
	told := &screen{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- Run(ctx, Config{Script: path, Engine: engine.Config{Dir: dir}, View: func() View { return &screen{} }, Out: &screen{}, Err: &screen{},
			Tell: func(l diag.List) {
				fmt.Fprintf(told, "%d:", len(l))
				for _, d := range l {
					fmt.Fprint(told, d.Code)
				}
				fmt.Fprintln(told)
			}})
	}()
	told.wait(t, "0:\n")
	save("param n = 1\nparam m = k\n")
	told.wait(t, "1:MSEG-1001\n")
	save("param n = 1\nexpect n > 2\n")
	told.wait(t, "0:\n")
	told.wait(t, "1:MSEG-5002\n")
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
