package report

import (
	"strings"
	"unicode"
)

// token is a piece of a script line; Class is "" for plain text, c for a
// comment, s for a string, d for a number, k for the word that begins a
// statement.
type token struct{ Class, Text string }

// highlight splits a script into lines of tokens. It knows only what colouring
// needs, so that any text can be shown: # to the end of the line is a comment,
// quotes enclose strings, a word at the start of a line begins a statement.
func highlight(script string) (lines [][]token) {
	if strings.TrimSpace(script) == "" {
		return nil
	}
	for line := range strings.SplitSeq(strings.TrimRight(strings.ReplaceAll(script, "\r\n", "\n"), "\n"), "\n") {
		lines = append(lines, highlightLine([]rune(line)))
	}
	return lines
}

func highlightLine(r []rune) (tokens []token) {
	emit := func(class string, text []rune) {
		if len(text) == 0 {
			return
		}
		if k := len(tokens) - 1; k >= 0 && tokens[k].Class == class {
			tokens[k].Text += string(text)
			return
		}
		tokens = append(tokens, token{class, string(text)})
	}
	word := func(c rune) bool { return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c) }
	for i := 0; i < len(r); {
		j := i + 1
		class := ""
		switch c := r[i]; {
		case c == '#':
			j, class = len(r), "c"
		case c == '"':
			for j < len(r) && r[j] != '"' {
				if r[j] == '\\' {
					j++
				}
				j++
			}
			j, class = min(j+1, len(r)), "s"
		case unicode.IsDigit(c):
			for j < len(r) && (word(r[j]) || r[j] == '.' && j+1 < len(r) && unicode.IsDigit(r[j+1])) {
				j++
			}
			class = "d"
		case word(c):
			for j < len(r) && word(r[j]) {
				j++
			}
			if i == 0 {
				class = "k"
			}
		}
		emit(class, r[i:j])
		i = j
	}
	return tokens
}
