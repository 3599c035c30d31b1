// Package repl is the interactive session: statements and expressions are typed, checked, computed and shown.
//
// The language is that of scripts. All statements accepted so far form one program, which is checked as a whole with every entry; the order of
// typing means nothing, so the session is at any moment a script that could be saved. An entry that does not pass the checker is shown with
// its place and changes nothing. A name that is bound again takes the place of the old one, and because a value is known to the engine by what it means, only
// what depends on the name is computed anew. Definitions compute nothing; an expression alone is computed and shown, and `expect` is checked and kept if it holds.
//
//	session.go   what has been accepted, as a value; what an entry would make of it
//	complete.go  what may be typed next, from lang/complete
//	help.go      what ?name answers, from lang/doc
//	repl.go      the loop: read an entry, answer it; Ctrl-C ends a computation, not the session
//	commands.go  :list :plan :save …
//	editor.go    where entries come from: plain lines; terminal.go a terminal with keys, paste.go and history.go what it lacks
//
// The session promises that nothing typed ends it except :quit, the end of the input, and a third Ctrl-C into a computation that does not answer.
package repl
