package syntax

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mseg-lang/mseg/lang/diag"
	"github.com/mseg-lang/mseg/lang/source"
)

// Lex reads the whole file. Every byte except spaces belongs to exactly one token, so a formatter can work on the result.
// Mistakes are reported and become Bad tokens.
func Lex(f *source.File, diags *diag.List) []Token {
	l := scanner{file: f, text: f.Text, diags: diags, out: make([]Token, 0, len(f.Text)/3+8)}
	for l.pos < len(l.text) {
		l.next()
	}
	return l.out
}

type scanner struct {
	file  *source.File
	text  string
	pos   int
	out   []Token
	prev  Token // last token that is neither comment nor line end
	diags *diag.List
}

func (l *scanner) emit(t Token) {
	l.out = append(l.out, t)
	if t.Type != Comment && t.Type != Newline {
		l.prev = t
	} else if t.Type == Newline && endsExpression(l.prev) {
		// A value may begin on a new line: a slash there begins a path, unless the line is continued inside brackets,
		// where entries are separated by commas and a division across lines would be written with the slash at the end.
		l.prev = Token{}
	}
}

// endsExpression says whether a token can be the last one of an expression.
func endsExpression(t Token) bool {
	switch t.Type {
	case Ident, Number, Unit, String, Path, Bad:
		return true
	case Word:
		return t.Text == "true" || t.Text == "false" || t.Text == "else"
	case Punct:
		return t.Text == ")" || t.Text == "]" || t.Text == "}"
	}
	return false
}

// punctLength is the length of the punctuation that s begins with; 0 for none.
func punctLength(s string) int {
	if len(s) > 1 {
		switch s[:2] {
		case "|>", "->", "..", "==", "!=", "<=", ">=":
			return 2
		}
	}
	if strings.IndexByte("()[]{},:=.+-*/<>?", s[0]) >= 0 {
		return 1
	}
	return 0
}

// blanks stand between tokens of a line and mean nothing; a carriage return does wherever it stands, and so does the space that does not break.
const blanks = " \t\r\u00a0"

func (l *scanner) next() {
	start := l.pos
	rest := l.text[start:]
	r, w := utf8.DecodeRuneInString(rest)
	switch {
	case strings.ContainsRune(blanks, r):
		l.pos += w
		return
	case r == '\n':
		l.pos++
		l.emit(Token{Newline, "\n", start, l.pos})
		return
	case r == '#':
		end := strings.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		text := strings.TrimRight(rest[:end], " \t\r")
		l.pos = start + len(text)
		l.emit(Token{Comment, text, start, l.pos})
		return
	case isLetter(r):
		n := identLength(rest)
		text := rest[:n]
		l.pos += n
		typ := Ident
		if isWord(text) && !(l.prev.Type == Punct && l.prev.Text == ".") {
			typ = Word
		}
		l.emit(Token{typ, text, start, l.pos})
		return
	case r >= '0' && r <= '9', r == '.' && len(rest) > 1 && isDigit(rest[1]) && !endsExpression(l.prev):
		l.number(start)
		return
	case r == '"':
		l.quoted(start)
		return
	case r == '/' && !endsExpression(l.prev):
		n := pathLength(rest)
		l.pos += n
		l.emit(Token{Path, rest[:n], start, l.pos})
		return
	}
	if n := punctLength(rest); n > 0 {
		l.pos += n
		l.emit(Token{Punct, rest[:n], start, l.pos})
		return
	}
	l.bad(start, w)
}

func isLetter(r rune) bool { return r == '_' || unicode.IsLetter(r) }
func isDigit(b byte) bool  { return b >= '0' && b <= '9' }

func identLength(s string) int {
	for i, r := range s {
		if !isLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) {
			return i
		}
	}
	return len(s)
}

// pathLength: a slash, then segments of letters, digits, _ and &, or * or **, separated by slashes. A lone slash is the root.
func pathLength(s string) int {
	n := 0
	for n < len(s) && s[n] == '/' {
		rest := s[n+1:]
		m := 0
		if strings.HasPrefix(rest, "**") {
			m = 2
		} else if strings.HasPrefix(rest, "*") {
			m = 1
		} else {
			for i, r := range rest {
				if !isLetter(r) && !unicode.IsDigit(r) && r != '&' {
					m = i
					break
				}
				m = i + utf8.RuneLen(r)
			}
		}
		if m == 0 {
			break
		}
		n += 1 + m
	}
	return max(n, 1)
}

func (l *scanner) number(start int) {
	s := l.text[start:]
	n := 0
	digits := func() {
		for n < len(s) && isDigit(s[n]) {
			n++
		}
	}
	digits()
	if n+1 < len(s) && s[n] == '.' && isDigit(s[n+1]) {
		n++
		digits()
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		m := n + 1
		if m < len(s) && (s[m] == '+' || s[m] == '-') {
			m++
		}
		if m < len(s) && isDigit(s[m]) {
			n = m
			digits()
		}
	}
	l.pos = start + n
	l.emit(Token{Number, s[:n], start, l.pos})
	l.unit()
}

// unit reads a unit behind a number on the same line. A word followed by a colon is the key of the next entry, not a unit.
func (l *scanner) unit() {
	at := len(l.text) - len(strings.TrimLeft(l.text[l.pos:], blanks))
	rest := l.text[at:]
	n := 0
	if strings.HasPrefix(rest, "%") {
		n = 1
	} else {
		n = identLength(rest)
		if n == 0 || isDigit(rest[0]) {
			return
		}
		if !isUnit(rest[:n]) {
			if at == l.pos { // 3foo, 2pixels: a unit was meant
				l.pos = at + n
				span := source.Span{File: l.file, Start: at, End: l.pos}
				d := l.diags.Add(diag.WrongUnit, span, "unknown unit %q", rest[:n])
				if s := diag.Suggest(rest[:n], Units); s != "" {
					d.Help = "did you mean " + s + "?"
					d.Fixes = []diag.Fix{{Message: "write " + s, Span: span, Replacement: s}}
				} else {
					d.Help = "units are " + strings.Join(Units, " ")
				}
				l.emit(Token{Bad, rest[:n], at, l.pos})
			}
			return
		}
		if strings.HasPrefix(strings.TrimLeft(rest[n:], blanks), ":") {
			return
		}
	}
	l.pos = at + n
	l.emit(Token{Unit, rest[:n], at, l.pos})
}

func (l *scanner) quoted(start int) {
	s := l.text[start:]
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '\n':
			l.badString(start, strings.TrimRight(s[:i], "\r"), unclosed, closeIt)
			return
		case '"':
			l.pos = start + i + 1
			if _, bad := unquote(s[:i+1]); bad != "" {
				l.pos = start
				l.badString(start, s[:i+1], "unknown escape "+bad+" in string", `escapes are \" \\ \n \t \u{…}; a single backslash is written \\`)
				return
			}
			if !utf8.ValidString(s[:i]) {
				l.pos = start
				l.badString(start, s[:i+1], "string is not UTF-8 text", notUTF8)
				return
			}
			l.emit(Token{String, s[:i+1], start, l.pos})
			return
		}
	}
	l.badString(start, s, unclosed, closeIt)
}

const (
	unclosed = "string is not closed on its line"
	closeIt  = `close it with " before the line ends`
	notUTF8  = "scripts are UTF-8 text; save the file as UTF-8"
)

func (l *scanner) badString(start int, text, why, help string) {
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = strings.TrimRight(text[:i], "\r")
	}
	l.pos = start + len(text)
	span := source.Span{File: l.file, Start: start, End: l.pos}
	l.diags.Add(diag.BadString, span, "%s", why).Help = help
	l.emit(Token{Bad, text, start, l.pos})
}

func (l *scanner) bad(start, w int) {
	// Several strange characters in a row are one mistake.
	for l.pos = start + w; l.pos < len(l.text); {
		r, n := utf8.DecodeRuneInString(l.text[l.pos:])
		if strings.ContainsRune(blanks+"\n", r) || r == '"' || r == '#' || isLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("()[]{},:=.|-+*/<>!", r) {
			break
		}
		l.pos += n
	}
	if l.foreignString(start, w) {
		return
	}
	text := l.text[start:l.pos]
	span := source.Span{File: l.file, Start: start, End: l.pos}
	d := l.diags.Add(diag.BadCharacter, span, "unexpected character %q", text)
	d.Help = "remove it, or put it in a string or a comment"
	if !utf8.ValidString(text) {
		d.Help = notUTF8
	}
	switch text {
	case "'", "‘", "’", "“", "”", "`":
		d.Help = `strings are written in double quotes: "…"`
	case ";":
		d.Help = "end a statement with a line break"
	case "!":
		d.Help = "write not"
	case "&", "&&":
		d.Help = "write and"
	case "|", "||":
		d.Help = "write |> to pass a value on, or the word or"
	case "µ":
		d.Help = "units are " + strings.Join(Units, " ")
	}
	l.emit(Token{Bad, text, start, l.pos})
}

// foreignString takes a text in quotes of another kind, closed on its line, as the one mistake that it is.
func (l *scanner) foreignString(start, w int) bool {
	closing, ok := map[string]string{"'": "'", "‘": "’", "“": "”", "`": "`"}[l.text[start:start+w]]
	if !ok {
		return false
	}
	inside, _, _ := strings.Cut(l.text[start+w:], "\n")
	inside, _, closed := strings.Cut(inside, closing)
	if !closed {
		return false
	}
	l.pos = start + w + len(inside) + len(closing)
	span := source.Span{File: l.file, Start: start, End: l.pos}
	d := l.diags.Add(diag.BadCharacter, span, "found a text in %s…%s, expected one in double quotes", l.text[start:start+w], closing)
	d.Help = `strings are written "…"`
	if !strings.ContainsAny(inside, "\"\\") {
		d.Fixes = []diag.Fix{{Message: "write double quotes", Span: span, Replacement: `"` + inside + `"`, Safe: true}}
	}
	l.emit(Token{Bad, l.text[start:l.pos], start, l.pos})
	return true
}

// unquote returns the value of a quoted string, or the escape that is wrong.
func unquote(s string) (value, bad string) {
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s, ""
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i >= len(s) {
			return "", `\`
		}
		switch s[i] {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case '"', '\\':
			b.WriteByte(s[i])
		case 'u':
			end := strings.IndexByte(s[i:], '}')
			if !strings.HasPrefix(s[i:], "u{") || end < 3 || end > 8 {
				return "", `\u`
			}
			var r rune
			for _, h := range s[i+2 : i+end] {
				d := strings.IndexRune("0123456789abcdef", unicode.ToLower(h))
				if d < 0 {
					return "", `\u`
				}
				r = r*16 + rune(d)
			}
			if !utf8.ValidRune(r) {
				return "", `\u`
			}
			b.WriteRune(r)
			i += end
		default:
			_, w := utf8.DecodeRuneInString(s[i:])
			return "", `\` + s[i:i+w]
		}
	}
	return b.String(), ""
}
