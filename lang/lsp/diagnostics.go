package lsp

import (
	"fmt"
	"slices"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/format"
	"github.com/mseg-lang/mseg/lang/source"
)

// diagnostics of the document; empty, never nil. Places in libraries are shown at no place of the document, so they are left out.
func diagnostics(v view) []diagnostic {
	out := []diagnostic{}
	for _, d := range v.diags {
		if d.Span.File == v.file {
			out = append(out, v.diagnostic(d))
		}
	}
	return out
}

func (v view) diagnostic(d diag.Diagnostic) diagnostic {
	severity := 1
	if d.Severity == diag.Warning {
		severity = 2
	}
	message := d.Summary
	if d.Help != "" {
		message += "\n" + d.Help
	}
	out := diagnostic{Range: v.enc.span(d.Span), Severity: severity, Code: string(d.Code), Source: "mseg", Message: message}
	for _, r := range d.Related {
		if r.Span.File == v.file {
			out.RelatedInformation = append(out.RelatedInformation, related{location{v.uri, v.enc.span(r.Span)}, r.Message})
		}
	}
	return out
}

// codeActions are the fixes of the diagnostics in a range, and all safe ones together.
func (s *server) codeActions(v view, p codeActionParams) ([]codeAction, error) {
	from, to := v.enc.offset(v.file, p.Range.Start), v.enc.offset(v.file, p.Range.End)
	wanted := func(kind string) bool {
		return len(p.Context.Only) == 0 || slices.ContainsFunc(p.Context.Only, func(k string) bool { return kind == k || len(kind) > len(k) && kind[:len(k)+1] == k+"." })
	}
	out := []codeAction{}
	for _, d := range v.diags {
		if !wanted("quickfix") || d.Span.File != v.file || d.Span.End < from || d.Span.Start > to {
			continue
		}
		for _, x := range d.Fixes {
			if x.Span.File == v.file {
				out = append(out, codeAction{Title: x.Message, Kind: "quickfix", Diagnostics: []diagnostic{v.diagnostic(d)}, IsPreferred: x.Safe,
					Edit: v.edit(textEdit{v.enc.span(x.Span), x.Replacement})})
			}
		}
	}
	if wanted("source.fixAll") {
		if text, n := diag.ApplyFixes(v.file, v.diags); n > 1 || n == 1 && len(p.Context.Only) > 0 {
			out = append(out, codeAction{Title: fmt.Sprintf("mend %d mistakes", n), Kind: "source.fixAll", Edit: v.edit(v.replace(text))})
		}
	}
	return out, nil
}

func (v view) edit(edits ...textEdit) *workspaceEdit {
	return &workspaceEdit{Changes: map[string][]textEdit{v.uri: edits}}
}

// replace is the edit that makes the whole document another text.
func (v view) replace(text string) textEdit {
	return textEdit{v.enc.span(source.Span{File: v.file, Start: 0, End: len(v.file.Text)}), text}
}

// formatting gives no edits for a text that does not parse: its diagnostics say why already.
func (s *server) formatting(v view, _ documentParams) ([]textEdit, error) {
	text, diags := format.Text(v.file.Name, v.file.Text)
	if len(diags) > 0 || text == v.file.Text {
		return []textEdit{}, nil
	}
	return []textEdit{v.replace(text)}, nil
}
