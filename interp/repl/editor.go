package repl

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"unicode"
)

// ErrInterrupt is what an Editor gives when its user has given up what was typed so far.
var ErrInterrupt = errors.New("interrupted")

// Editor is where entries come from. Tests and pipes read plain lines, a terminal edits them.
type Editor interface {
	// Read gives the next line, or several where a block was pasted, without the line end. Complete is asked for what may
	// follow the text typed so far; an editor without keys never asks. Errors: io.EOF at the end, ErrInterrupt.
	Read(prompt string, complete func(text string) (start int, items []string)) (string, error)
	// Remember adds a whole entry to what can be recalled.
	Remember(entry string) error
	// Width is how many characters a line on the screen has; 0 where that is not known.
	Width() int
	Close() error
}

// lines is an Editor over a stream. It looks one line ahead: a line that begins with an operator, such as |>, goes on with the line before,
// as it does in a file.
type lines struct {
	in     *bufio.Reader
	prompt io.Writer // nil: no prompts
	ahead  []string
	err    error
}

// Lines reads entries from a stream. Prompts are written to prompt unless it is nil: a terminal that cannot edit lines; there no line is looked ahead.
func Lines(in io.Reader, prompt io.Writer) Editor {
	return &lines{in: bufio.NewReader(in), prompt: prompt}
}

func (l *lines) next() (string, error) {
	if len(l.ahead) > 0 {
		s := l.ahead[0]
		l.ahead = l.ahead[1:]
		return s, nil
	}
	if l.err != nil {
		return "", l.err
	}
	s, err := l.in.ReadString('\n')
	if err != nil {
		if l.err = err; s == "" {
			return "", err
		}
	}
	return strings.TrimRight(s, "\r\n"), nil
}

func (l *lines) Read(prompt string, _ func(string) (int, []string)) (string, error) {
	if l.prompt != nil {
		io.WriteString(l.prompt, prompt)
		return l.next()
	}
	s, err := l.next()
	if err != nil || empty(s) || isCommand(s) {
		return s, err
	}
	for {
		// Blank lines and comments may stand between a line and the one that goes on with it.
		var seen []string
		for len(seen) == 0 || empty(seen[len(seen)-1]) {
			t, err := l.next()
			if err != nil {
				return s, nil
			}
			seen = append(seen, t)
		}
		if !goesOn(seen[len(seen)-1]) {
			l.ahead = append(seen, l.ahead...)
			return s, nil
		}
		s += "\n" + strings.Join(seen, "\n")
	}
}

// empty says that a line holds no more than a comment.
func empty(line string) bool {
	t := strings.TrimSpace(line)
	return t == "" || t[0] == '#'
}

// goesOn says whether a line begins with what cannot begin a statement.
func goesOn(line string) bool {
	t := strings.TrimSpace(line)
	for _, op := range []string{"|>", "+", "*", "==", "!=", "<", ">", "..", ".", "=", "->", ")", "]", "}", ","} {
		if strings.HasPrefix(t, op) {
			return true
		}
	}
	word := t
	if i := strings.IndexFunc(t, func(r rune) bool { return !unicode.IsLetter(r) && r != '_' }); i >= 0 {
		word = t[:i]
	}
	return word == "and" || word == "or" || word == "in"
}

func (*lines) Remember(string) error { return nil }
func (*lines) Width() int            { return 0 }
func (*lines) Close() error          { return nil }
