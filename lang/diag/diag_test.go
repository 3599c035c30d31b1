package diag

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mseg-lang/mseg/lang/source"
)

func sample() List {
	f := source.New("a.mseg", "model m = größe(日本)\nmodel m = b\n")
	var l List
	d := l.Add(DuplicateName, source.Span{File: f, Start: 32, End: 33}, "%q is bound twice", "m")
	d.Related = []Related{{source.Span{File: f, Start: 6, End: 7}, "bound here first"}}
	d.Help = "choose another name"
	d = l.Add(UnknownName, source.Span{File: f, Start: 18, End: 24}, "no name")
	d.Severity = Warning
	d.Fixes = []Fix{{Message: "write x", Span: d.Span, Replacement: "x", Safe: true}}
	l.Add(RunFailed, source.Span{}, "no such file")
	return l
}

func TestText(t *testing.T) {
	var out bytes.Buffer
	WriteText(&out, sample(), false)
	want := `error[MSEG-1002]: "m" is bound twice
  --> a.mseg:2:7
   2 | model m = b
     |       ^
  --> a.mseg:1:7
   1 | model m = größe(日本)
     |       ^ bound here first
  help: choose another name

warning[MSEG-1001]: no name
  --> a.mseg:1:17
   1 | model m = größe(日本)
     |                 ^^^^

error[MSEG-5001]: no such file

`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var colored bytes.Buffer
	WriteText(&colored, sample(), true)
	plain := strings.NewReplacer("\x1b[0m", "", "\x1b[1;31m", "", "\x1b[1;33m", "", "\x1b[1;36m", "", "\x1b[1m", "").Replace(colored.String())
	if plain != out.String() || colored.String() == plain {
		t.Error("colour changes the text")
	}
}

func TestShort(t *testing.T) {
	var out bytes.Buffer
	WriteShort(&out, sample())
	want := "a.mseg:2:7: error[MSEG-1002]: \"m\" is bound twice\na.mseg:1:17: warning[MSEG-1001]: no name\nerror[MSEG-5001]: no such file\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The JSON form carries every fact of the text form.
func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := WriteJSON(&out, sample()); err != nil {
		t.Fatal(err)
	}
	var got document
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	d := got.Diagnostics
	if len(d) != 3 || d[0].Span.Start.Line != 2 || d[0].Related[0].Message != "bound here first" || d[0].Help != "choose another name" ||
		d[1].Severity != Warning || d[1].Fixes[0].Replacement != "x" || !d[1].Fixes[0].Safe || d[2].Span != nil {
		t.Errorf("got %s", out.String())
	}
	out.Reset()
	if err := WriteJSON(&out, nil); err != nil || !strings.Contains(out.String(), `"diagnostics": []`) {
		t.Errorf("an empty list is %s, %v", out.String(), err)
	}
	out.Reset()
	if err := WriteJSONLine(&out, sample()); err != nil || strings.Count(out.String(), "\n") != 1 || !strings.HasSuffix(out.String(), "\n") {
		t.Errorf("%v: not one line: %s", err, out.String())
	}
}

// What the JSON form says is enough to write the other forms.
func TestFormsCarryTheSameFacts(t *testing.T) {
	var out, full, short, want bytes.Buffer
	if err := WriteJSON(&out, sample()); err != nil {
		t.Fatal(err)
	}
	var got document
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	writeFull(&full, got.Diagnostics, true)
	WriteText(&want, sample(), true)
	if diff := cmp.Diff(want.String(), full.String()); diff != "" {
		t.Errorf("full (-want +got):\n%s", diff)
	}
	want.Reset()
	writeShort(&short, got.Diagnostics)
	WriteShort(&want, sample())
	if diff := cmp.Diff(want.String(), short.String()); diff != "" {
		t.Errorf("short (-want +got):\n%s", diff)
	}
	x := got.Diagnostics[1].Fixes[0].Span
	if x.Text != "日本" || x.Source != "model m = größe(日本)" || x.Start.Offset != 18 || x.End.Offset != 24 {
		t.Errorf("the place of a fix is %+v", x)
	}
}

func TestSortDropsRepetitions(t *testing.T) {
	l := append(sample(), sample()[1])
	l[3].Span.File = l[1].Span.File
	l.Sort()
	var got []Code
	for _, d := range l {
		got = append(got, d.Code)
	}
	if diff := cmp.Diff([]Code{RunFailed, UnknownName, DuplicateName}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !l.HasErrors() || l.Count(Error) != 2 || l.Count(Warning) != 1 {
		t.Error("counts are wrong")
	}
}

func TestSuggest(t *testing.T) {
	names := []string{"train", "trainable", "test", "CT_Liver", "MRI", "px"}
	for in, want := range map[string]string{
		"trian": "train", "Train": "train", "tset": "test", "CT_Livr": "CT_Liver", "ct_liver": "CT_Liver", "mri": "MRI", "MR": "", "pz": "", "PX": "px",
		"wholly different": "", "": "",
	} {
		if got := Suggest(in, names); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestApplyFixes(t *testing.T) {
	f := source.New("a", "one two three")
	span := func(a, b int) source.Span { return source.Span{File: f, Start: a, End: b} }
	var l List
	l.Add(UnknownName, span(8, 13), "late").Fixes = []Fix{{Span: span(8, 13), Replacement: "3", Safe: true}, {Span: span(8, 13), Replacement: "drei", Safe: true}}
	l.Add(UnknownName, span(0, 3), "early").Fixes = []Fix{{Span: span(0, 3), Replacement: "1", Safe: true}}
	l.Add(UnknownName, span(2, 5), "overlapping").Fixes = []Fix{{Span: span(2, 5), Replacement: "!", Safe: true}}
	l.Add(UnknownName, span(4, 7), "unsafe").Fixes = []Fix{{Span: span(4, 7), Replacement: "2"}}
	l.Add(UnknownName, span(4, 7), "elsewhere").Fixes = []Fix{{Span: source.Span{File: source.New("b", "x"), Start: 0, End: 1}, Replacement: "?", Safe: true}}
	if got, n := ApplyFixes(f, l); got != "1 two 3" || n != 2 {
		t.Errorf("got %q after %d fixes", got, n)
	}
}
