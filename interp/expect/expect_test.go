package expect

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/interp/engine"
	"github.com/mseg-lang/mseg/lang/source"
)

func TestFacts(t *testing.T) {
	for _, c := range []struct {
		text   string
		set    string
		reruns string
		stages int
		known  bool
	}{
		{"nothing re-runs", "", "", -1, true},
		{"re-runs b, a", "", "a b", -1, true},
		{"7 stages", "", "", 7, true},
		{"1 stage", "", "", 1, true},
		{"with epochs=5 re-runs base, tuned", "epochs=5", "base tuned", -1, true},
		{`with title="a b" nothing re-runs`, `title="a b"`, "", -1, true},
		{"with a=1 b=2 nothing re-runs", "a=1 b=2", "", -1, true},
		{"with a=1", "", "", -1, false},
		{"re-runs", "", "", -1, false},
		{"nothing reruns", "", "", -1, false},
		{"99999999999999999999 stages", "", "", 0, false},
		{"", "", "", -1, false},
	} {
		f := factOf(c.text)
		var set []string
		for k, v := range f.set {
			set = append(set, k+"="+v)
		}
		slices.Sort(set)
		if (f.fault == "") != c.known {
			t.Errorf("%q: fault %q", c.text, f.fault)
		}
		if c.known && (strings.Join(set, " ") != c.set || strings.Join(f.reruns, " ") != c.reruns || f.stages != c.stages) {
			t.Errorf("%q is %+v", c.text, f)
		}
	}
}

// Facts are comments; the same text in a string is none, and prose about plans is none.
func TestFactsAreComments(t *testing.T) {
	got := factsOf(source.New("t.mseg", "param a = \"### plan: x\"\n# plan: y\n### planned for later\n  ### plan: nothing re-runs\n"))
	if len(got) != 1 || got[0].at.Line != 4 || got[0].at.Column != 3 || got[0].fault != "" {
		t.Errorf("%+v", got)
	}
}

func TestJUnitIsWellFormed(t *testing.T) {
	b, err := JUnit([]Result{
		{Script: "a.mseg", Name: "expect x < 1 and \"q\"", Kind: "expect", Line: 3, Column: 1, Message: "bad \x01 & ]]>\nsecond", Found: "2 < 1", Seconds: 0.5},
		{Script: "a.mseg", Name: "plan: nothing re-runs", Kind: "plan", Passed: true, Seconds: 0.25},
		{Script: "b.mseg", Name: "check", Kind: "script", Passed: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	var back junitSuites
	if err := xml.Unmarshal(b, &back); err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	if back.Tests != 3 || back.Failures != 1 || back.Time != "0.750" || len(back.Suites) != 2 || back.Suites[0].Tests != 2 {
		t.Errorf("%+v", back)
	}
	if f := back.Suites[0].Cases[0].Failure; f == nil || !strings.HasPrefix(f.Message, "bad ") || !strings.Contains(f.Text, "a.mseg:3:1: bad") || !strings.Contains(f.Text, "found 2 < 1") {
		t.Errorf("%+v", f)
	}
	for d := xml.NewDecoder(bytes.NewReader(b)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// An interrupted run is the only error, and gives no result.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a_test.mseg")
	text := "eval e = box_fill |> evaluate(phantom(patients: 2, slices: 1, size: 64 px) |> prep(percentile(0 % .. 100 %) |> slices() |> resize(32 px)))\nexpect e.n == 6\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := Script(ctx, path, Options{Engine: engine.Config{Dir: dir, Backend: "go"}}, func(r Result) { t.Errorf("%+v", r) })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
