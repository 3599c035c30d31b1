package repl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/chzyer/readline"
)

// terminal is an Editor with keys: arrows, history with Ctrl-R, completion with tab, pasted blocks in one piece.
type terminal struct {
	rl       *readline.Instance
	keys     *readline.CancelableStdin
	paste    *pasteReader
	history  *history
	out      io.Writer
	complete func(string) (int, []string)
}

// IsTerminal says whether keys can be read and a screen be drawn on.
func IsTerminal() bool {
	return readline.DefaultIsTerminal() && readline.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("TERM") != "dumb"
}

// IsDumb says whether a person types without a screen that can be drawn on, as in an editor's shell.
func IsDumb() bool { return readline.IsTerminal(int(os.Stdin.Fd())) && !IsTerminal() }

// Terminal edits lines on the terminal of the program and keeps its history in a file; "" keeps none. The error is about the history: the
// editor works without.
func Terminal(historyFile string) (Editor, error) {
	h, historyErr := openHistory(historyFile)
	t := &terminal{history: h, out: os.Stdout, paste: &pasteReader{}}
	t.keys = readline.NewCancelableStdin(os.Stdin)
	t.paste.in = t.keys
	rl, err := readline.NewEx(&readline.Config{
		Stdin:                  io.NopCloser(t.paste),
		AutoComplete:           t,
		Painter:                t,
		Listener:               t,
		DisableAutoSaveHistory: true,
		HistoryLimit:           historyLimit,
		InterruptPrompt:        "^C",
		EOFPrompt:              "\n",
		FuncFilterInputRune:    t.key,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot use the terminal: %w", err)
	}
	t.rl = rl
	t.recall()
	return t, historyErr
}

// key sees every key before readline does.
func (t *terminal) key(r rune) (rune, bool) {
	switch r {
	case readline.CharCtrlL:
		fmt.Fprint(t.out, "\x1b[2J") // readline only moves the cursor
	case readline.CharInterrupt: // clears the line at once, not only the menu
		if op := t.rl.Operation; op.IsInCompleteMode() {
			op.ExitCompleteMode(true)
			op.Refresh()
		}
	}
	return r, true
}

// recall gives the editor the history anew: an entry of several lines is one item there.
func (t *terminal) recall() {
	t.rl.ResetHistory()
	for _, s := range t.history.items {
		_ = t.rl.SaveHistory(encode.Replace(s)) // no file is written
	}
}

func (t *terminal) Read(prompt string, complete func(string) (int, []string)) (string, error) {
	t.complete = complete
	t.rl.SetPrompt(prompt)
	fmt.Fprint(t.out, pasteOn)
	defer fmt.Fprint(t.out, pasteOff)
	s, err := t.rl.Readline()
	if errors.Is(err, readline.ErrInterrupt) {
		return "", ErrInterrupt
	}
	return decode.Replace(s), err
}

func (t *terminal) Remember(entry string) error {
	err := t.history.add(entry)
	t.recall()
	return err
}

// Width is asked anew each time: the window may have been resized.
func (t *terminal) Width() int { return max(0, t.rl.Config.FuncGetWidth()) }

// Close may be called while Read waits: Read then ends with io.EOF.
func (t *terminal) Close() error {
	return errors.Join(t.keys.Close(), t.rl.Close())
}

// Paint shows line breaks and tabs of a pasted block in one cell each.
func (t *terminal) Paint(line []rune, _ int) []rune {
	out := make([]rune, len(line))
	for i, r := range line {
		switch r {
		case breakRune:
			r = '⏎'
		case tabRune, blockRune:
			r = ' '
		}
		out[i] = r
	}
	return out
}

// OnChange puts a pasted block where its mark was typed, in one step: key by key the whole line would be drawn again for each.
func (t *terminal) OnChange(line []rune, pos int, key rune) ([]rune, int, bool) {
	if key != blockRune {
		return nil, 0, false
	}
	block := []rune(t.paste.take())
	for i, r := range line {
		if r == blockRune {
			out := append(append(append([]rune(nil), line[:i]...), block...), line[i+1:]...)
			return out, pos - 1 + len(block), true
		}
	}
	return nil, 0, false // typed into a search
}

// maxMenu is how many completions are offered in a menu; longer lists are printed above the line.
const maxMenu = 40

// Do completes at the cursor; readline wants the ends of the items.
func (t *terminal) Do(line []rune, pos int) ([][]rune, int) {
	if t.complete == nil {
		return nil, 0
	}
	text := decode.Replace(string(line[:pos]))
	start, items := t.complete(text)
	prefix := text[start:]
	var out [][]rune
	widest := 0
	for _, s := range items {
		out = append(out, []rune(strings.TrimPrefix(s, prefix)))
		widest = max(widest, len([]rune(s)))
	}
	width := t.Width()
	if len(items) > 1 && commonPrefix(items) == prefix && (len(items) > maxMenu || widest+2 > width) {
		fmt.Fprint(t.rl.Stdout(), inColumns(items, widest+2, width))
		return nil, 0
	}
	return out, len([]rune(prefix))
}

func commonPrefix(items []string) string {
	p := items[0]
	for _, s := range items[1:] {
		for !strings.HasPrefix(s, p) {
			p = p[:len(p)-1]
		}
	}
	return p
}

func inColumns(items []string, cell, width int) string {
	n := max(1, (width-1)/cell)
	var b strings.Builder
	for i, s := range items {
		b.WriteString(s)
		if (i+1)%n == 0 || i+1 == len(items) {
			b.WriteByte('\n')
		} else {
			b.WriteString(strings.Repeat(" ", max(1, cell-len([]rune(s)))))
		}
	}
	return b.String()
}
