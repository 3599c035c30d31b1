package syntax

import (
	"slices"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/mseg-lang/mseg/lang/types"
)

// Kind classes of tokens. Values are participle's token types; EOF is participle's own.
const (
	EOF     = lexer.EOF
	Ident   = lexer.TokenType(-(iota + 2)) // letters, digits, _ ; begins with a letter or _
	Word                                   // reserved: for in if else and or not true false
	Number                                 // 1 0.5 1e-3
	Unit                                   // px mm HU % …, directly behind a number on its line
	String                                 // "…"
	Path                                   // /torso/abdomen, /torso/**, /
	Punct                                  // ( ) [ ] { } , : = . ? |> -> .. + - * / == != < <= > >=
	Term                                   // a line end that closes a statement or an entry
	Comment                                // # to the end of the line
	Newline                                // any other line end
	Bad                                    // what begins no token
)

var tokenNames = map[string]lexer.TokenType{
	"EOF": EOF, "Ident": Ident, "Word": Word, "Number": Number, "Unit": Unit, "String": String, "Path": Path,
	"Punct": Punct, "Term": Term, "Comment": Comment, "Newline": Newline, "Bad": Bad,
}

// Units are the units a number may carry, as written.
var Units = []string{"px", "mm", "cm", "HU", "%", "epochs", "epoch", "steps", "step", "s", "min", "h", "KiB", "MiB", "GiB", "deg"}

// Words are reserved everywhere.
var Words = []string{"and", "else", "false", "for", "if", "in", "not", "or", "true"}

// Kinds begin a binding: `kind name = expression`. They are ordinary names elsewhere (prep(mri), model: m).
var Kinds = types.Kinds

// Heads begin the other statements.
var Heads = []string{"mseg", "use", "param", "fn", "expect"}

func isWord(s string) bool { return slices.Contains(Words, s) }
func isUnit(s string) bool { return slices.Contains(Units, s) }

// IsKind says whether a word is the kind of a binding.
func IsKind(s string) bool { return slices.Contains(Kinds, s) }

// Token is a token with its byte range in the file.
type Token struct {
	Type       lexer.TokenType
	Text       string
	Start, End int
}

// EndsExpression says whether the token can be the last one of an expression: a line end behind it may close a statement or an entry.
func (t Token) EndsExpression() bool { return endsExpression(t) }

// ContinuesLine says whether a line that begins with the token goes on with the expression of the line before.
func (t Token) ContinuesLine() bool { return continues(t) }
