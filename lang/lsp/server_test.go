package lsp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/channel"
	"github.com/google/go-cmp/cmp"
)

const uri = "file:///t.mseg"

// editor is the other end of the connection.
type editor struct {
	t         *testing.T
	rpc       *jrpc2.Client
	published chan publishParams
	ended     chan error
	version   int
	caps      serverCapabilities
}

func connect(t *testing.T, encodings ...string) *editor {
	t.Helper()
	fromEditor, toServer := io.Pipe()
	fromServer, toEditor := io.Pipe()
	e := &editor{t: t, published: make(chan publishParams, 1000), ended: make(chan error, 1)}
	go func() { e.ended <- Serve(context.Background(), fromEditor, toEditor, "test") }()
	e.rpc = jrpc2.NewClient(channel.LSP(fromServer, toServer), &jrpc2.ClientOptions{OnNotify: func(r *jrpc2.Request) {
		var p publishParams
		if r.Method() == "textDocument/publishDiagnostics" && r.UnmarshalParams(&p) == nil {
			e.published <- p
		}
	}})
	t.Cleanup(func() { e.rpc.Close(); toEditor.Close(); fromServer.Close() })
	var init initializeResult
	e.ask("initialize", map[string]any{"processId": nil, "capabilities": map[string]any{"general": map[string]any{"positionEncodings": encodings}}}, &init)
	e.caps = init.Capabilities
	e.tell("initialized", map[string]any{})
	return e
}

func (e *editor) ask(method string, params, result any) {
	e.t.Helper()
	if err := e.try(method, params, result); err != nil {
		e.t.Fatalf("%s: %v", method, err)
	}
}

func (e *editor) try(method string, params, result any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return e.rpc.CallResult(ctx, method, params, result)
}

func (e *editor) tell(method string, params any) {
	e.t.Helper()
	if err := e.rpc.Notify(context.Background(), method, params); err != nil {
		e.t.Fatalf("%s: %v", method, err)
	}
}

// open opens the document and waits for its diagnostics.
func (e *editor) open(text string) publishParams {
	e.t.Helper()
	e.version = 1
	e.tell("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": uri, "languageId": "mseg", "version": 1, "text": text}})
	return e.diagnostics()
}

func (e *editor) change(changes ...contentChange) publishParams {
	e.t.Helper()
	e.version++
	e.tell("textDocument/didChange", didChangeParams{versionedID{uri, e.version}, changes})
	return e.diagnostics()
}

// diagnostics waits for those of the newest version.
func (e *editor) diagnostics() publishParams {
	e.t.Helper()
	for {
		select {
		case p := <-e.published:
			if p.Version == e.version {
				return p
			}
		case <-time.After(20 * time.Second):
			e.t.Fatal("no diagnostics")
		}
	}
}

// on is the place of the first character of a mark ‸ in a text, in UTF-16 units, and the text without it.
func on(text string) (string, map[string]any) {
	before, after, _ := strings.Cut(text, "‸")
	line := strings.Count(before, "\n")
	column := utf16Units.length(before[strings.LastIndexByte(before, '\n')+1:])
	return before + after, map[string]any{"textDocument": documentID{uri}, "position": position{line, column}}
}

func summary(p publishParams) string {
	var out []string
	for _, d := range p.Diagnostics {
		out = append(out, fmt.Sprintf("%d:%d-%d:%d %s", d.Range.Start.Line, d.Range.Start.Character, d.Range.End.Line, d.Range.End.Character, d.Code))
	}
	return strings.Join(out, " ")
}

func TestDiagnosticsWhileTyping(t *testing.T) {
	e := connect(t)
	if p := e.open("model m = unet()\n"); p.Diagnostics == nil || len(p.Diagnostics) != 0 {
		t.Errorf("a faultless text: %+v, want an empty list", p)
	}
	text := "model m = unet(base: 16) |> adapt(mixture(4)) # ä 😀\n"
	for n := range []rune(text) {
		typed := string([]rune(text)[:n+1])
		p := e.change(contentChange{Text: typed})
		if strings.TrimSpace(typed) == strings.TrimSpace(text) && len(p.Diagnostics) != 0 {
			t.Errorf("the whole text: %s", summary(p))
		}
	}
	if got := summary(e.change(contentChange{Text: "model m = unett()\nmodel n = ("})); got != "0:10-0:15 MSEG-1001 1:10-1:11 MSEG-0002" {
		t.Errorf("got %s", got)
	}
	if p := e.change(contentChange{Text: ""}); len(p.Diagnostics) != 0 {
		t.Errorf("an empty text: %s", summary(p))
	}
}

func TestPartsOfATextMayChange(t *testing.T) {
	e := connect(t)
	e.open("model ä = unett()\nmodel b = unet()\n")
	p := e.change(
		contentChange{Range: &textRange{position{0, 14}, position{0, 15}}, Text: ""},
		contentChange{Range: &textRange{position{1, 6}, position{1, 7}}, Text: "ä"},
	)
	if got := summary(p); got != "1:6-1:7 MSEG-1002" {
		t.Errorf("got %s", got)
	}
}

// Columns behind ä and emoji, counted both ways.
func TestPositionEncodings(t *testing.T) {
	text := "param ä = \"😀\" + nowhere\n"
	for _, c := range []struct {
		offered []string
		agreed  string
		want    string
	}{
		{nil, "utf-16", "0:17-0:24 MSEG-1001"},
		{[]string{"utf-16"}, "utf-16", "0:17-0:24 MSEG-1001"},
		{[]string{"utf-16", "utf-8"}, "utf-8", "0:20-0:27 MSEG-1001"},
		{[]string{"utf-32"}, "utf-16", "0:17-0:24 MSEG-1001"},
	} {
		e := connect(t, c.offered...)
		if e.caps.PositionEncoding != c.agreed {
			t.Errorf("offered %v, agreed on %s, want %s", c.offered, e.caps.PositionEncoding, c.agreed)
		}
		if got := summary(e.open(text)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.agreed, got, c.want)
		}
		var hints []inlayHint
		e.change(contentChange{Text: "param ä = 3 px\n"})
		e.ask("textDocument/inlayHint", rangeParams{documentID{uri}, textRange{position{0, 0}, position{9, 0}}}, &hints)
		want := 7
		if c.agreed == "utf-8" {
			want = 8
		}
		if len(hints) != 1 || hints[0].Position.Character != want || hints[0].Label != ": number in px" {
			t.Errorf("%s: hints %+v, want one at %d", c.agreed, hints, want)
		}
	}
}

func TestOffsetsAndPositionsAreInverse(t *testing.T) {
	d := newDocument(uri, 1, "aä😀\r\n\n日本 x\nend")
	for _, enc := range []encoding{utf8Bytes, utf16Units} {
		for at := range d.file.Text {
			if d.file.Text[at] == '\n' {
				continue
			}
			if got := enc.offset(d.file, enc.position(d.file, at)); got != at {
				t.Errorf("%s: offset %d comes back as %d", enc, at, got)
			}
		}
		for _, p := range []position{{-1, 0}, {0, -5}, {0, 99}, {99, 0}, {1, 7}} {
			if at := enc.offset(d.file, p); at < 0 || at > len(d.file.Text) {
				t.Errorf("%s: %+v is offset %d", enc, p, at)
			}
		}
	}
}

const script = `mseg 1
use medsegdb (tree)
# Patients of one site.
data brain = phantom(patients: 4, modality: MRI) # ä 😀
split parts = brain |> by(patient, train: 80 %, test: 20 %)
fn fit(m: model, rate: number = 1e-3) -> model = m |> train(parts.train) { optimizer: adamw(rate), loss: dice }
model net = unet(base: 16) |> fit(rate: 2e-3)
eval result = net |> evaluate(parts.test) { metrics: [dice, nsd(0.2 cm)] }
eval more = [net |> fit(r) |> evaluate(parts.test) for r in [1e-3, 1e-4]]
expect result.dice[MRI_BrainWholeTumor].mean >= 0.1
`

// at puts the cursor before the nth (from 1) occurrence of a word of the script.
func at(word string, nth int) map[string]any {
	i := -1
	for range nth {
		i += 1 + strings.Index(script[i+1:], word)
	}
	_, p := on(script[:i] + "‸" + script[i:])
	return p
}

func TestHover(t *testing.T) {
	e := connect(t)
	if p := e.open(script); len(p.Diagnostics) > 0 {
		t.Fatal(summary(p))
	}
	for _, c := range []struct {
		word string
		nth  int
		want string
	}{
		{"phantom", 1, "Generated volumes"},
		{"patients", 1, "number of generated patients"},
		{"MRI", 1, "modality"},
		{"brain", 1, "Patients of one site."},
		{"brain", 2, "made by `phantom`"},
		{"patient,", 1, "split unit"},
		{"parts", 2, "split parts"},
		{".train)", 1, ""},
		{"train) {", 1, "the train side"},
		{"rate", 1, "parameter of fn fit"},
		{"rate)", 1, "parameter of fn fit"},
		{"fit(rate", 1, "fn fit(m: model, rate: number = 1e-3) -> model"},
		{"rate: 2e-3", 1, "parameter of fn fit"},
		{"dice }", 1, "Dice loss"},
		{"nsd", 1, "Normalised surface Dice"},
		{"0.2 cm", 1, "`0.2 cm` = `2 mm`"},
		{"cm", 1, "centimetres"},
		{"80 %", 1, "per cent"},
		{"dice[", 1, "dice over all samples"},
		{"mean", 1, "mean"},
		{"MRI_BrainWholeTumor", 1, "/head_neck/head/brain"},
		{"eval result", 1, "A kind of value"},
		{"tree", 1, "from the library medsegdb"},
		{"result", 1, "identity"},
		{"Patients", 1, ""},
	} {
		var h *hover
		e.ask("textDocument/hover", at(c.word, c.nth), &h)
		got := ""
		if h != nil {
			got = h.Contents.Value
		}
		if c.want == "" && got != "" && c.word != ".train)" || !strings.Contains(got, c.want) {
			t.Errorf("hover on %q (%d): %q, want %q in it", c.word, c.nth, got, c.want)
		}
	}
}

func TestCompletionAndSignature(t *testing.T) {
	e := connect(t)
	for _, c := range []struct {
		text string
		want string
	}{
		{"data ä = phantom(modality: ‸", "CBCT CT CTA Colonos Dermos Endos Fundus MRI US Xray"},
		{"split s = phantom() |> by(patient, train: 80 %, test: 20 %)\ndata d = s.‸", "test train"},
		{"prep p = resize(64 ‸)", "px"},
	} {
		text, p := on(c.text)
		e.open(text)
		var list completionList
		e.ask("textDocument/completion", p, &list)
		var got []string
		for _, x := range list.Items {
			got = append(got, x.Label)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.text, got, c.want)
		}
	}
	text, p := on("model m = unet(base: ‸")
	e.open(text)
	var help *signatureHelp
	e.ask("textDocument/signatureHelp", p, &help)
	if help == nil || !strings.HasPrefix(help.Signatures[0].Label, "unet(") || help.Signatures[0].Parameters[help.ActiveParameter].Label != "base" {
		t.Errorf("signature %+v", help)
	}
}

func TestDefinitionReferencesRename(t *testing.T) {
	e := connect(t)
	e.open(script)
	var def *location
	e.ask("textDocument/definition", at("brain", 2), &def)
	if def == nil || def.Range.Start != (position{3, 5}) {
		t.Errorf("definition of brain: %+v", def)
	}
	e.ask("textDocument/definition", at("rate: 2e-3", 1), &def)
	if def == nil || def.Range.Start != (position{5, 17}) {
		t.Errorf("definition of the argument rate: %+v", def)
	}
	def = nil
	e.ask("textDocument/definition", at("phantom", 1), &def)
	if def != nil {
		t.Errorf("a builtin is defined at %+v", def)
	}
	var refs []location
	params := at("parts", 1)
	params["context"] = map[string]any{"includeDeclaration": true}
	e.ask("textDocument/references", params, &refs)
	if len(refs) != 4 {
		t.Errorf("%d references of parts, want 4", len(refs))
	}
	var high []documentHighlight
	e.ask("textDocument/documentHighlight", at("net ", 2), &high)
	if len(high) != 3 {
		t.Errorf("%d highlights of net, want 3", len(high))
	}

	for _, c := range []struct {
		word string
		nth  int
		to   string
		from string // what is replaced, "" for a refusal
		n    int
	}{
		{"rate", 2, "step", "rate", 3},
		{"parts", 1, "sides", "parts", 4},
		{"net", 1, "größe", "net", 3},
		{"net", 1, "brain", "", 0},
		{"net", 1, "unet", "", 0},
		{"net", 1, "3x", "", 0},
		{"net", 1, "for", "", 0},
		{"net", 1, "", "", 0},
		{"tree", 1, "atlas", "", 0},
		{"phantom", 1, "ghost", "", 0},
	} {
		params := at(c.word, c.nth)
		params["newName"] = c.to
		var edit *workspaceEdit
		err := e.try("textDocument/rename", params, &edit)
		if c.from == "" {
			var rpc *jrpc2.Error
			if !errors.As(err, &rpc) {
				t.Errorf("%s → %q: %v, want a refusal", c.word, c.to, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s → %q: %v", c.word, c.to, err)
			continue
		}
		changed := apply(script, edit.Changes[uri])
		if n := len(edit.Changes[uri]); n != c.n {
			t.Errorf("%s → %q: %d edits, want %d", c.word, c.to, n, c.n)
		}
		if p := connect(t).open(changed); len(p.Diagnostics) > 0 {
			t.Errorf("%s → %q: afterwards %s in\n%s", c.word, c.to, summary(p), changed)
		}
	}
}

// apply makes edits, the last first.
func apply(text string, edits []textEdit) string {
	f := newDocument(uri, 1, text).file
	for i := len(edits) - 1; i >= 0; i-- {
		from, to := utf16Units.offset(f, edits[i].Range.Start), utf16Units.offset(f, edits[i].Range.End)
		text = text[:from] + edits[i].NewText + text[to:]
	}
	return text
}

func TestFixesFormattingSymbolsTokens(t *testing.T) {
	e := connect(t)
	e.open("model d=phantom(patients = 4) # ä\n")
	var actions []codeAction
	e.ask("textDocument/codeAction", map[string]any{"textDocument": documentID{uri}, "range": textRange{position{0, 20}, position{0, 28}}, "context": map[string]any{"diagnostics": []any{}}}, &actions)
	if len(actions) != 1 || actions[0].Title != "write :" || !actions[0].IsPreferred {
		t.Fatalf("actions %+v", actions)
	}
	text := apply("model d=phantom(patients = 4) # ä\n", actions[0].Edit.Changes[uri])
	if text != "model d=phantom(patients: 4) # ä\n" {
		t.Errorf("fixed: %q", text)
	}
	e.change(contentChange{Text: text})
	var edits []textEdit
	e.ask("textDocument/formatting", map[string]any{"textDocument": documentID{uri}, "options": map[string]any{}}, &edits)
	if got := apply(text, edits); got != "model d = phantom(patients: 4)  # ä\n" {
		t.Errorf("formatted: %q", got)
	}
	e.change(contentChange{Text: "model d =  ("})
	e.ask("textDocument/formatting", map[string]any{"textDocument": documentID{uri}, "options": map[string]any{}}, &edits)
	if len(edits) != 0 {
		t.Errorf("a broken text was formatted: %+v", edits)
	}

	e.change(contentChange{Text: script})
	var symbols []documentSymbol
	e.ask("textDocument/documentSymbol", documentParams{documentID{uri}}, &symbols)
	var names []string
	for _, s := range symbols {
		names = append(names, s.Detail+" "+s.Name)
	}
	if diff := cmp.Diff([]string{"use medsegdb", "data brain", "split parts", "fn fit", "model net", "eval result", "eval more"}, names); diff != "" {
		t.Errorf("symbols (-want +got):\n%s", diff)
	}

	e.change(contentChange{Text: "# ä\ndata d = phantom(patients: 4) |> where(modality == MRI)\n"})
	var tokens semanticTokens
	e.ask("textDocument/semanticTokens/full", documentParams{documentID{uri}}, &tokens)
	var got []string
	for i := 0; i+4 < len(tokens.Data); i += 5 {
		got = append(got, fmt.Sprintf("+%d+%d:%d %s", tokens.Data[i], tokens.Data[i+1], tokens.Data[i+2], tokenTypes[tokens.Data[i+3]]))
	}
	want := []string{"+0+0:3 comment", "+1+0:4 keyword", "+0+5:1 variable", "+0+2:1 operator", "+0+2:7 function", "+0+8:8 parameter", "+0+10:1 number", "+0+3:2 operator",
		"+0+3:5 function", "+0+6:8 enumMember", "+0+9:2 operator", "+0+3:3 enumMember"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
}

func TestLeaving(t *testing.T) {
	e := connect(t)
	e.open(script)
	e.tell("textDocument/didClose", documentParams{documentID{uri}})
	if err := e.try("textDocument/hover", at("brain", 1), &json.RawMessage{}); err == nil {
		t.Error("a closed document is answered for")
	}
	e.ask("shutdown", nil, &json.RawMessage{})
	e.tell("exit", nil)
	select {
	case err := <-e.ended:
		if err != nil {
			t.Errorf("left with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the server stays after exit")
	}
	e = connect(t)
	e.tell("exit", nil)
	if err := <-e.ended; err == nil {
		t.Error("exit without shutdown is no mistake")
	}
}

// Every request at every place of a broken text has an answer.
func TestAnywhere(t *testing.T) {
	text := script + "eval x = net |> evaluate(parts.tset) { metrics: [nsd(2 px), \n}) \"x\n$ ä😀 |> .\n"
	d := newDocument(uri, 1, text)
	for _, enc := range []encoding{utf8Bytes, utf16Units} {
		v := view{d, enc, d.read()}
		s := &server{}
		for offset := 0; offset <= len(text); offset += 3 {
			p := positionParams{documentID{uri}, enc.position(d.file, offset)}
			for _, f := range []func(view, positionParams) (any, error){s.hover, s.definition, s.signatureHelp} {
				if _, err := f(v, p); err != nil {
					t.Fatalf("offset %d: %v", offset, err)
				}
			}
			if _, err := s.completion(v, p); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The language server never loads what computes.
func TestNoEngine(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "github.com/mseg-lang/mseg/lang/lsp").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields(string(out)) {
		if strings.Contains(p, "gomlx") || strings.Contains(p, "mseg/interp") || strings.Contains(p, "mseg/ops") || strings.Contains(p, "mseg/models") {
			t.Errorf("imports %s", p)
		}
	}
}

// thousandLines is a script of a thousand lines.
func thousandLines() string {
	var b strings.Builder
	b.WriteString("mseg 1\nparam seed: int = 1\n")
	for i := 0; strings.Count(b.String(), "\n") < 1000; i++ {
		fmt.Fprintf(&b, `data images%[1]d = volumes("site%[1]d/{case}_image.nrrd", mask: "site%[1]d/{case}_label.nrrd") {
  patient:  case
  modality: MRI
  tasks:    { 1: MRI_BrainWholeTumor }
}
split parts%[1]d = images%[1]d |> by(patient, train: 60 %%, val: 20 %%, test: 20 %%, seed: seed)
model base%[1]d  = unet(image: 64 px, seed: seed) |> train(parts%[1]d.train, validate: parts%[1]d.val) {
  optimizer: adamw(1e-3, schedule: warmup_cosine(1 epochs))
  epochs:    3
}
eval e%[1]d = base%[1]d |> evaluate(parts%[1]d.test) { metrics: [dice, hd95(mm)] }
`, i)
	}
	return b.String()
}

// BenchmarkDidChange is the way from a new text of a thousand lines to the diagnostics that are sent.
func BenchmarkDidChange(b *testing.B) {
	text := thousandLines()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		d := newDocument(uri, 1, text+"model x = ")
		if len(diagnostics(view{d, utf16Units, d.read()})) != 1 {
			b.Fatal("one mistake is expected")
		}
	}
}
