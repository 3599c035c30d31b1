package lsp

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mseg-lang/mseg/lang/source"
)

// FuzzEdits: a document is opened and edited at random, in both ways of counting columns. After every edit the text is what an editor has, every
// question can be asked at the place of the edit, and every range in an answer lies in the document, its ends in order.
//
// An edit is three bytes: where it begins and ends, in 256ths of the text, and which snippet takes the place.
func FuzzEdits(f *testing.F) {
	files, err := filepath.Glob("../../examples/[a-z]*.mseg")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b), []byte{0, 0, 1, 100, 120, 4, 255, 255, 7}, true)
	}
	f.Add("param ä = \"😀\" + nowhere\nmodel m = unet(base: 16) |> adapt(mixture(4))\n", []byte{10, 30, 2, 100, 100, 5}, false)
	f.Fuzz(func(t *testing.T, text string, edits []byte, bytes bool) {
		enc := utf16Units
		if bytes {
			enc = utf8Bytes
		}
		s := &server{enc: enc, docs: map[string]*document{}, changed: map[string]bool{}, wake: make(chan struct{}, 1)}
		s.put(newDocument(uri, 1, text))
		ask(t, s, enc, 0)
		for n := 0; n+2 < len(edits) && n < 12; n += 3 {
			d := s.docs[uri]
			f := d.file
			from, to := place(f.Text, edits[n]), place(f.Text, edits[n+1])
			r := enc.span(source.Span{File: f, Start: min(from, to), End: max(from, to)})
			at := enc.offset(f, r.Start)
			snippet := snippets[int(edits[n+2])%len(snippets)]
			want := f.Text[:at] + snippet + f.Text[max(at, enc.offset(f, r.End)):]
			if err := s.didChange(t.Context(), didChangeParams{versionedID{uri, d.version + 1}, []contentChange{{Range: &r, Text: snippet}}}); err != nil {
				t.Fatal(err)
			}
			if got := s.docs[uri].file.Text; got != source.New("", want).Text {
				t.Fatalf("%q, edited at %+v, is %q, want %q", f.Text, r, got, want)
			}
			ask(t, s, enc, at+len(snippet))
		}
	})
}

var snippets = []string{"", "\n", "model x = ", " |> ", ".", "(", "{ ", "/torso/", "ä😀", "\"", "1 px", "# ", "fn f(a: model) -> model = a", ", loss: ", "[x for x in ", "use medsegdb", "\r\n"}

func place(text string, b byte) int { return len(text) * int(b) / 255 }

// ask asks everything at an offset.
func ask(t *testing.T, s *server, enc encoding, offset int) {
	d := s.docs[uri]
	v := view{d, enc, d.read()}
	where := positionParams{documentID{uri}, enc.position(v.file, offset)}
	everything := rangeParams{documentID{uri}, textRange{position{0, 0}, position{1 << 30, 0}}}
	inText := func(what string, r textRange) {
		t.Helper()
		for _, p := range []position{r.Start, r.End} {
			if p.Line < 0 || p.Line >= v.file.Lines() || p.Character < 0 || p.Character > enc.length(v.file.Line(p.Line+1))+1 { // +1: behind a \r
				t.Fatalf("%s: %+v is no place of %q", what, p, v.file.Text)
			}
		}
		if r.End.Line < r.Start.Line || r.End.Line == r.Start.Line && r.End.Character < r.Start.Character {
			t.Fatalf("%s: range %+v of %q is reversed", what, r, v.file.Text)
		}
	}
	edits := func(what string, w *workspaceEdit) {
		t.Helper()
		if w == nil {
			return
		}
		for _, list := range w.Changes {
			for _, e := range list {
				inText(what, e.Range)
			}
		}
	}
	for _, x := range diagnostics(v) {
		inText("diagnostic", x.Range)
		if x.Message == "" || x.Code == "" {
			t.Fatalf("%+v says nothing", x)
		}
	}
	actions, err := s.codeActions(v, codeActionParams{rangeParams: everything})
	must(t, err)
	for _, a := range actions {
		edits("action "+a.Title, a.Edit)
	}
	answer, err := s.hover(v, where)
	must(t, err)
	if h, ok := answer.(hover); ok {
		inText("hover", h.Range)
	}
	list, err := s.completion(v, where)
	must(t, err)
	for _, x := range list.Items {
		inText("completion "+x.Label, x.TextEdit.Range)
	}
	_, err = s.signatureHelp(v, where)
	must(t, err)
	_, err = s.definition(v, where)
	must(t, err)
	found, err := s.references(v, referenceParams{positionParams: where})
	must(t, err)
	for _, x := range found {
		inText("reference", x.Range)
	}
	marks, err := s.highlight(v, where)
	must(t, err)
	for _, x := range marks {
		inText("highlight", x.Range)
	}
	_, _ = s.prepareRename(v, where) // what cannot be renamed is told as an error
	w, _ := s.rename(v, renameParams{where, "renamed"})
	edits("rename", w)
	symbols, err := s.symbols(v, documentParams{documentID{uri}})
	must(t, err)
	for _, x := range symbols {
		inText("symbol "+x.Name, x.Range)
		inText("symbol "+x.Name, x.SelectionRange)
	}
	changes, err := s.formatting(v, documentParams{documentID{uri}})
	must(t, err)
	for _, x := range changes {
		inText("formatting", x.Range)
	}
	hints, err := s.inlayHints(v, everything)
	must(t, err)
	for _, x := range hints {
		inText("hint", textRange{x.Position, x.Position})
	}
	tokens, err := s.semanticTokens(v, documentParams{documentID{uri}})
	must(t, err)
	for i := 0; i < len(tokens.Data); i++ {
		if tokens.Data[i] < 0 {
			t.Fatalf("semantic token %d: %d", i/5, tokens.Data[i])
		}
	}
	if len(tokens.Data)%5 != 0 {
		t.Fatalf("%d numbers of semantic tokens", len(tokens.Data))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
