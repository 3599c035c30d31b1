package repl

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// A terminal that is asked to (CSI ?2004h) puts what is pasted between two marks. Without them a pasted line break would submit half an
// entry and a pasted tab would complete names.
const (
	pasteOn    = "\x1b[?2004h"
	pasteOff   = "\x1b[?2004l"
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

// Runes of the private use area stand for what a line editor cannot hold: a whole pasted block, a line break, a tab.
const (
	blockRune = '\ue200'
	breakRune = '\ue201'
	tabRune   = '\ue202'
)

// encode turns a text of several lines into one that fits in a line of the editor; decode turns it back.
var (
	encode = strings.NewReplacer("\r\n", string(breakRune), "\r", string(breakRune), "\n", string(breakRune), "\t", string(tabRune))
	decode = strings.NewReplacer(string(breakRune), "\n", string(tabRune), "\t", string(blockRune), "")
)

// pasteReader passes keys on and replaces every pasted block by blockRune; take gives the blocks in order. Marks may be split
// over several reads. It lies between the terminal and the line editor.
type pasteReader struct {
	in      io.Reader
	held    []byte // bytes that may be the beginning of a mark
	out     []byte // bytes ready for the editor
	pasting bool
	block   []byte

	mu     sync.Mutex
	blocks []string
}

func (p *pasteReader) Read(b []byte) (int, error) {
	for len(p.out) == 0 {
		buf := make([]byte, 4096)
		n, err := p.in.Read(buf)
		if n > 0 {
			p.feed(buf[:n])
		}
		if err != nil && len(p.out) == 0 {
			if p.out = p.held; len(p.out) == 0 { // an escape that nothing followed
				return 0, err
			}
			p.held = nil
		}
	}
	n := copy(b, p.out)
	p.out = p.out[n:]
	return n, nil
}

func (p *pasteReader) feed(b []byte) {
	b = append(p.held, b...)
	p.held = nil
	for len(b) > 0 {
		mark := []byte(pasteBegin)
		if p.pasting {
			mark = []byte(pasteEnd)
		}
		i := bytes.IndexByte(b, mark[0])
		switch {
		case i < 0:
			p.pass(b)
			return
		case bytes.HasPrefix(b[i:], mark):
			p.pass(b[:i])
			b = b[i+len(mark):]
			if p.pasting = !p.pasting; !p.pasting {
				p.mu.Lock()
				p.blocks = append(p.blocks, clean(string(p.block)))
				p.mu.Unlock()
				p.block = nil
				p.out = append(p.out, string(blockRune)...)
			}
		case bytes.HasPrefix(mark, b[i:]):
			p.pass(b[:i])
			p.held = append([]byte(nil), b[i:]...)
			return
		default:
			p.pass(b[:i+1])
			b = b[i+1:]
		}
	}
}

func (p *pasteReader) pass(b []byte) {
	if p.pasting {
		p.block = append(p.block, b...)
	} else {
		p.out = append(p.out, b...)
	}
}

// take is the next pasted block, encoded for the editor.
func (p *pasteReader) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.blocks) == 0 {
		return ""
	}
	s := p.blocks[0]
	p.blocks = p.blocks[1:]
	return s
}

// clean drops line ends at the end of a block and control characters, and encodes the rest.
func clean(s string) string {
	s = encode.Replace(strings.TrimRight(strings.ToValidUTF8(s, "\ufffd"), "\r\n\t "))
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == blockRune {
			return -1
		}
		return r
	}, s)
}
