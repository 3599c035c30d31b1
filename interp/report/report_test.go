package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mseg-lang/mseg/interp/report"
	"github.com/mseg-lang/mseg/ops/plot"
)

func render(t testing.TB, d report.Doc) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Render(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var (
	tag       = regexp.MustCompile(`<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^>"]|"[^"]*")*)>`)
	attribute = regexp.MustCompile(`\sid="([^"]*)"`)
	void      = []string{"meta", "img", "br", "link", "input", "hr"}
)

// markup lists the tags of a page in order, without the raw text of style and
// script, and fails on tags that do not nest.
func markup(t testing.TB, page string) (tags []string) {
	t.Helper()
	for _, raw := range []string{"style", "script"} {
		page = regexp.MustCompile(`(?s)<`+raw+`>.*?</`+raw+`>`).ReplaceAllString(page, "<"+raw+"></"+raw+">")
	}
	var open []string
	for _, m := range tag.FindAllStringSubmatch(page, -1) {
		name := m[2]
		tags = append(tags, m[1]+name)
		switch {
		case m[1] == "" && !slices.Contains(void, name) && !strings.HasSuffix(m[3], "/"):
			open = append(open, name)
		case m[1] == "/":
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) != 0 {
		t.Fatalf("%v are never closed", open)
	}
	return tags
}

func TestExample(t *testing.T) {
	page := render(t, example(t))
	if again := render(t, example(t)); again != page {
		t.Error("the same document gives other bytes")
	}
	if !strings.HasPrefix(page, "<!doctype html>") {
		t.Error("the page has no document type")
	}
	markup(t, page)
	ids := map[string]bool{}
	for _, m := range attribute.FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("id %q is used twice", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !ids[m[1]] {
			t.Errorf("link to %q leads nowhere", m[1])
		}
	}
	for _, outside := range []string{"http:", "https:", "@import", "<link", "src=\"/"} {
		if strings.Contains(page, outside) {
			t.Errorf("the page contains %q, expected nothing from elsewhere", outside)
		}
	}
	for _, want := range []string{
		"Table 1</span>", "Figure 6</span>", "<strong>", "n = ", "&lt;0.001", `id="scores"`, `data:image/png;base64,`,
		`class="sign" aria-hidden="true">✓<`, `href="tables/scores%20of%20all.json"`, `<i class="c"># language edition</i>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestPolicyAllowsTheScript: the hash in the policy is that of the script, or it
// would not run.
func TestPolicyAllowsTheScript(t *testing.T) {
	page := render(t, example(t))
	script := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindStringSubmatch(page)
	policy := regexp.MustCompile(`script-src &#39;sha256-([^&]*(?:&#43;[^&]*)*)&#39;`).FindStringSubmatch(page)
	if script == nil || policy == nil {
		t.Fatal("the page has no script or no policy")
	}
	if want, got := hash(script[1]), strings.ReplaceAll(policy[1], "&#43;", "+"); got != want {
		t.Errorf("policy allows %s, the script is %s", got, want)
	}
}

// plain is a document in which every free string is s.
func plain(s string) report.Doc {
	table := &report.Table{
		Title: s, Caption: s,
		Columns: []report.Column{{Name: s, Unit: s, Doc: s}, {Name: s, Kind: report.Number, Unit: s, Doc: s}},
		Rows:    []report.Row{{Group: s}, {Cells: []report.Cell{report.String(s), report.Num(1)}}},
	}
	chart := plot.HeatChart{Title: s, Rows: []string{s}, Columns: []string{s}, RowLabel: s, ColumnLabel: s, Values: [][]float64{{1}}}
	return report.Doc{
		Title: s, Subtitle: s, Language: s, Script: s,
		Summary:    []report.Finding{{Text: s}, {Text: s, Status: report.Status(s)}},
		Provenance: [][2]string{{s, s}},
		Blocks: []report.Block{
			report.Heading{Text: s, Level: 1}, report.Heading{Text: s, Level: 2}, report.Text{Text: s}, report.Note{Text: s, Severity: report.Severity(s)},
			table, report.Figure{Title: s, Caption: s, SVG: chart.SVG()},
			report.Gallery{Title: s, Caption: s, Legend: []report.LegendEntry{{Colour: "#000000", Label: s}},
				Tiles: []report.Tile{{PNG: dot, Title: s, Caption: s, Status: report.Status(s)}}},
			report.Files{Title: s, Items: []report.File{{Name: s, Href: "a.csv", Note: s}}},
		},
	}
}

// dot is a picture of one pixel.
var dot = func() []byte {
	b, err := plot.Overlay{Slice: plot.Slice{Width: 1, Height: 1, Channels: 1, Pixels: []float32{1}}, Side: 1}.PNG()
	if err != nil {
		panic(err)
	}
	return b
}()

// TestHostileText: whatever the strings hold, the page has the same tags, but for
// the colouring of the script.
func TestHostileText(t *testing.T) {
	colouring := regexp.MustCompile(`</?i( class="[a-z]")?>`)
	tags := func(page string) []string { return markup(t, colouring.ReplaceAllString(page, "")) }
	want := tags(render(t, plain("harmless")))
	for _, s := range []string{
		`<script>alert(1)</script>`,
		`"><img src=x onerror=alert(1)>`,
		`' onmouseover='alert(1)`,
		`</style></script></title></textarea>--><b>`,
		`<!-- x`,
		`]]><svg onload=alert(1)>`,
		`javascript:alert(1)`,
		`{{.Title}} {{template "text" .}}`,
		`&lt;b&gt; &amp; &#60;i&#62;`,
		"\u202e<b>\u0000\ufeff",
		`${alert(1)} \u003cscript\u003e`,
		strings.Repeat("<", 300),
		"\xff\xfe<b>",
	} {
		t.Run(s[:min(len(s), 20)], func(t *testing.T) {
			page := render(t, plain(s))
			if !utf8.ValidString(page) || strings.ContainsRune(page, 0) {
				t.Error("the page is not valid text")
			}
			if got := tags(page); !slices.Equal(got, want) {
				t.Errorf("the tags of the page change from %v to %v", want, got)
			}
			if strings.Contains(page, "<img src=x") || strings.Contains(page, `" onerror`) {
				t.Error("an attribute of the string became one of the page")
			}
		})
	}
}

func TestEmptyDocument(t *testing.T) {
	page := render(t, report.Doc{})
	markup(t, page)
	if strings.Contains(page, "<script>") || strings.Contains(page, "Summary") {
		t.Error("an empty document has a script or a summary")
	}
}

func TestRefusals(t *testing.T) {
	figure := func(svg string) report.Block { return report.Figure{SVG: svg} }
	column := []report.Column{{Name: "a"}}
	tests := []struct {
		name  string
		block report.Block
		want  string
	}{
		{"script in a figure", figure(`<svg><script>alert(1)</script></svg>`), `element "script"`},
		{"handler in a figure", figure(`<svg onload="alert(1)"></svg>`), `attribute onload`},
		{"link in a figure", figure(`<svg><a href="x"><text>y</text></a></svg>`), `element "a"`},
		{"foreign object", figure(`<svg><foreignObject></foreignObject></svg>`), `"foreignObject"`},
		{"reference in a figure", figure(`<svg><rect fill="url(http://x)"/></svg>`), `attribute fill`},
		{"style in a figure", figure(`<svg><g style="color:red"/></svg>`), `attribute style`},
		{"no figure", figure(``), `expected one svg element`},
		{"two figures", figure(`<svg/><svg/>`), `expected one svg element`},
		{"html as figure", figure(`<div/>`), `element "div"`},
		{"text as figure", figure(`hello`), `text outside`},
		{"broken figure", figure(`<svg><g></svg>`), `no SVG`},
		{"comment in a figure", figure(`<svg><!-- --></svg>`), `comment`},
		{"no picture", report.Gallery{Tiles: []report.Tile{{PNG: []byte("GIF89a")}}}, `no PNG`},
		{"legend colour", report.Gallery{Legend: []report.LegendEntry{{Colour: "red"}}}, `expected #rrggbb`},
		{"web link", report.Files{Items: []report.File{{Href: "https://example.org/a"}}}, `expected a path beside the report`},
		{"script link", report.Files{Items: []report.File{{Href: "javascript:alert(1)"}}}, `expected a path beside the report`},
		{"link to a host", report.Files{Items: []report.File{{Href: "//example.org/a"}}}, `expected a path beside the report`},
		{"link upwards", report.Files{Items: []report.File{{Href: "a/../../b"}}}, `expected a path beside the report`},
		{"absolute link", report.Files{Items: []report.File{{Href: "/etc/passwd"}}}, `expected a path beside the report`},
		{"missing cells", &report.Table{Columns: column, Rows: []report.Row{{}}}, `has 0 cells, expected 1`},
		{"table id", &report.Table{ID: `a"b`, Columns: column}, `table id`},
		{"table id of a section", &report.Table{ID: "summary", Columns: column}, `used twice`},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			err := report.Render(&b, report.Doc{Blocks: []report.Block{c.block}})
			if !errors.Is(err, report.ErrDocument) || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("error %v, expected %q", err, c.want)
			}
			if b.Len() != 0 {
				t.Error("something was written before the error")
			}
		})
	}
}

func TestBestValues(t *testing.T) {
	row := func(name string, dsc, hd float64) report.Row {
		return report.Row{Cells: []report.Cell{report.String(name), report.Num(dsc), report.Num(hd)}}
	}
	table := &report.Table{
		Columns: []report.Column{{Name: "method"}, {Name: "DSC", Kind: report.Number, Digits: 2, Better: report.HigherBetter}, {Name: "HD95", Kind: report.Number, Digits: 1, Better: report.LowerBetter}},
		Rows:    []report.Row{{Group: "one"}, row("a", 0.911, 3), row("b", 0.909, 2), row("c", math.NaN(), math.NaN()), {Group: "two"}, row("a", 0.5, 9), row("b", 0.6, 9)},
	}
	bold := func() (out []string) {
		page := render(t, report.Doc{Blocks: []report.Block{table}})
		for _, m := range regexp.MustCompile(`<strong>(.*?)</strong>`).FindAllStringSubmatch(page, -1) {
			out = append(out, m[1])
		}
		return out
	}
	if got, want := bold(), []string{"0.91", "0.91", "2.0"}; !slices.Equal(got, want) {
		t.Errorf("best of the table %v, expected %v", got, want)
	}
	table.BestWithin = report.EachGroup
	// In group one the printed DSC is the same, in group two the HD95: no best.
	table.Rows[2].Cells[1].Value = 0.902
	if got, want := bold(), []string{"0.91", "2.0", "0.60"}; !slices.Equal(got, want) {
		t.Errorf("best of each group %v, expected %v", got, want)
	}
}

func TestCells(t *testing.T) {
	nan := math.NaN()
	tests := []struct {
		column report.Column
		cell   report.Cell
		want   string
	}{
		{report.Column{Kind: report.Number, Digits: 2}, report.Num(-1.234), "−1.23"},
		{report.Column{Kind: report.Number, Digits: 1}, report.Num(-0.01), "0.0"},
		{report.Column{Kind: report.Number}, report.Num(math.Inf(1)), "∞"},
		{report.Column{Kind: report.Number}, report.Num(nan), "–"},
		{report.Column{Kind: report.Percent, Digits: 1}, report.Num(0.1234), "12.3 %"},
		{report.Column{Kind: report.PValue}, report.Num(0.0004), "&lt;0.001"},
		{report.Column{Kind: report.PValue}, report.Num(0.0312), "0.031"},
		{report.Column{Kind: report.PValue}, report.Num(0.417), "0.42"},
		{report.Column{Kind: report.Interval, Digits: 3}, report.Estimate(0.9, 0.85, 0.95, 12), "0.900 [0.850, 0.950] n = 12"},
		{report.Column{Kind: report.Interval, Digits: 1}, report.Cell{Value: 5, Low: nan, High: nan, N: 1, Missing: 3}, "5.0 n = 1 3 missing"},
		{report.Column{}, report.String(""), "–"},
	}
	text := regexp.MustCompile(`<[^>]*>`)
	for _, c := range tests {
		page := render(t, report.Doc{Blocks: []report.Block{&report.Table{Columns: []report.Column{c.column}, Rows: []report.Row{{Cells: []report.Cell{c.cell}}}}}})
		body := page[strings.Index(page, "<tbody>"):strings.Index(page, "</tbody>")]
		got := strings.Join(strings.Fields(text.ReplaceAllString(body, " ")), " ")
		if got != c.want {
			t.Errorf("%+v in a column of kind %q reads %q, expected %q", c.cell, c.column.Kind, got, c.want)
		}
	}
}

func sheet() *report.Table {
	return &report.Table{
		Title:   "scores",
		Columns: []report.Column{{Name: "case, or \"file\""}, {Name: "HD95", Unit: "mm", Kind: report.Interval, Doc: "distance", Better: report.LowerBetter}, {Name: "p", Kind: report.PValue}},
		Rows: []report.Row{
			{Group: "liver"},
			{Cells: []report.Cell{report.String("a,\"b\"\nc"), report.Estimate(1.0/3, 0.25, 0.5, 7), report.Num(math.NaN())}},
			{Group: "spleen"},
			{Cells: []report.Cell{report.String("=1+1"), report.Estimate(math.Inf(1), math.NaN(), math.NaN(), 1), report.Num(0.04)}},
		},
	}
}

func TestWriteCSV(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scores.csv")
	if err := report.WriteCSV(path, sheet()); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"group", "case, or \"file\"", "HD95 (mm)", "HD95 (mm)_low", "HD95 (mm)_high", "HD95 (mm)_n", "p"},
		{"liver", "a,\"b\"\nc", "0.3333333333333333", "0.25", "0.5", "7", ""},
		{"spleen", "=1+1", "+Inf", "", "", "1", "0.04"},
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%q, expected %q", got, want)
	}
}

func TestWriteJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scores.json")
	if err := report.WriteJSON(path, sheet()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Columns []struct{ Name, Kind, Unit, Doc, Better string }
		Rows    []struct {
			Group string
			Cells []any
		}
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if c := got.Columns[1]; c.Kind != "interval" || c.Unit != "mm" || c.Doc != "distance" || c.Better != "lower" {
		t.Errorf("column %+v", c)
	}
	first := got.Rows[0].Cells[1].(map[string]any)
	if got.Rows[0].Group != "liver" || first["value"] != 1.0/3 || first["n"] != 7.0 || got.Rows[0].Cells[2] != nil {
		t.Errorf("first row %+v", got.Rows[0])
	}
	second := got.Rows[1].Cells[1].(map[string]any)
	if second["value"] != "+Inf" || second["low"] != nil {
		t.Errorf("second row %+v", got.Rows[1])
	}
}

func TestWriteFileReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	if err := report.WriteFile(path, example(t)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.WriteFile(path, report.Doc{Blocks: []report.Block{report.Figure{}}}); err == nil {
		t.Fatal("a document that cannot be rendered was written")
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Error("the old report did not survive the failed one")
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("%d files lie beside the report", len(entries)-1)
	}
	if err := report.WriteFile(filepath.Join(path, "x.html"), report.Doc{}); err == nil || !strings.Contains(err.Error(), "x.html") {
		t.Errorf("error %v, expected the path in it", err)
	}
}
