// Package lsp is the language server: what an editor asks while a script is being written.
//
// It is given requests of the Language Server Protocol over one connection and promises answers for the text the editor holds at that moment, broken or not: diagnostics (always
// published, also when there are none), hover, completion, signatures, definitions, references, renaming, symbols, formatting, code actions, inlay hints and semantic tokens. It
// reads no file, runs nothing and never loads the engine.
//
// A document (document.go) is a text with the analysis of it, made when first asked for and thrown away with the next edit. Checking a thousand lines takes a few hundredths of a
// second, so nothing is incremental. The protocol counts columns in UTF-16 units unless the editor agrees to bytes; place.go converts, nobody else does.
package lsp
