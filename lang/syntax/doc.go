// Package syntax turns the text of a script into statements.
//
// It is given a source.File and promises one Statement per statement of the text, in order, each with spans, and one diagnostic per independent
// mistake: a broken statement never hides its neighbours. The way there:
//
//  1. The lexer (lexer.go) never fails. What it cannot read becomes a Bad token with its own diagnostic.
//  2. The layout pass (layout.go) removes comments and the line ends that mean nothing, checks brackets and their depth, and cuts the
//     token stream into statements. A line that opens with `kind name` at the left margin always begins a statement, so an unclosed
//     bracket spoils only its own statement.
//  3. Each statement is parsed on its own by a participle grammar without backtracking (grammar.go), which knows neither stage kinds nor argument names:
//     those live in the registry of builtins and are checked later, where better messages can be given.
//  4. The parse tree is converted once into the AST (ast.go, convert.go); operator chains are re-associated there.
//
// A line end closes a statement or an entry when the token before it can end an expression and the next line does not begin with a
// binary operator that cannot begin a value (|> and or + * == != < <= > >= .. in). Inside ( ) and [ ] line ends mean nothing; inside { } they separate entries.
//
// A slash is a path where a value is expected and a division elsewhere; the token before it decides.
package syntax
