package repl

import (
	"io"
	"strings"
	"testing"
)

// pieces gives its parts one a read.
type pieces [][]byte

func (p *pieces) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p)[0])
	*p = (*p)[1:]
	return n, nil
}

func TestPastedBlocks(t *testing.T) {
	const b = string(blockRune)
	cases := []struct {
		name, in, keys string
		blocks         []string
	}{
		{"keys pass", "ab\tc\r", "ab\tc\r", nil},
		{"arrows pass", "\x1b[A\x1bOB\x1b[3~", "\x1b[A\x1bOB\x1b[3~", nil},
		{"a lone escape passes", "x\x1b", "x\x1b", nil},
		{"a block", "x" + pasteBegin + "a\n\tb\r\nc\n" + pasteEnd + "\r", "x" + b + "\r", []string{"a\n\tb\nc"}},
		{"two blocks", pasteBegin + "a" + pasteEnd + pasteBegin + "b" + pasteEnd, b + b, []string{"a", "b"}},
		{"escapes inside", pasteBegin + "a\x1b[31mb\x03c" + pasteEnd, b, []string{"a[31mbc"}},
		{"letters of several bytes", pasteBegin + "Größe µ 日本" + pasteEnd, b, []string{"Größe µ 日本"}},
		{"marks of its own", pasteBegin + "a" + b + "b" + pasteEnd, b, []string{"ab"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for cut := 0; cut <= len(c.in); cut++ { // a read may end anywhere
				p := &pasteReader{in: &pieces{[]byte(c.in[:cut]), []byte(c.in[cut:])}}
				keys, err := io.ReadAll(p)
				if err != nil || string(keys) != c.keys {
					t.Fatalf("cut at %d: keys %q, %v; want %q", cut, keys, err, c.keys)
				}
				for _, want := range c.blocks {
					if got := decode.Replace(p.take()); got != want {
						t.Fatalf("cut at %d: block %q, want %q", cut, got, want)
					}
				}
				if p.take() != "" {
					t.Fatalf("cut at %d: a block too many", cut)
				}
			}
		})
	}
}

func TestEncodedTextReturns(t *testing.T) {
	for _, s := range []string{"", "a", "a\n\tb\n", "\t\t"} {
		e := encode.Replace(s)
		if strings.ContainsAny(e, "\n\t") || decode.Replace(e) != s {
			t.Errorf("%q becomes %q and then %q", s, e, decode.Replace(e))
		}
	}
}
