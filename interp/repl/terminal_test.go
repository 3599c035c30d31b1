//go:build unix

package repl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/mseg-lang/mseg/interp/engine"
)

// With this variable the test program is a session on its terminal, with results and history in the folder it names.
const childFolder = "MSEG_TEST_SESSION"

func TestMain(m *testing.M) {
	dir := os.Getenv(childFolder)
	if dir == "" {
		os.Exit(m.Run())
	}
	in, err := Terminal(filepath.Join(dir, "history"))
	if err == nil {
		_, err = Run(context.Background(), Config{Engine: engine.Config{Dir: dir}, Input: in, Out: os.Stdout, Err: os.Stderr, Interactive: true,
			View: func() (func(engine.Event), func()) {
				return func(e engine.Event) { fmt.Println(e.Kind, e.Op+e.Text) }, func() {}
			}})
		in.Close()
	}
	fmt.Println("left:", err)
}

// deadline is how long a test waits before it fails; nothing is measured by it.
const deadline = time.Minute

// tty is a session on a pseudo terminal.
type tty struct {
	*testing.T
	f *os.File

	mu   sync.Mutex
	text string
	read int
	ends chan struct{}
}

func open(t *testing.T, dir string) *tty {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFolder+"="+dir, "TERM=xterm")
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 30, Cols: 100})
	if err != nil {
		t.Skipf("no pseudo terminal here: %v", err)
	}
	s := &tty{T: t, f: f, ends: make(chan struct{})}
	go func() {
		defer close(s.ends)
		buf := make([]byte, 4096)
		for {
			n, err := f.Read(buf)
			s.mu.Lock()
			s.text += string(buf[:n])
			s.mu.Unlock()
			if err != nil { // the end of the child reads as EIO
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // ended already, if all went well
		_ = cmd.Wait()
		f.Close()
	})
	return s
}

func (s *tty) typed(keys string) {
	s.Helper()
	if _, err := s.f.WriteString(keys); err != nil {
		s.Fatal(err)
	}
}

// wait goes on to the next place where a text stands on the screen.
func (s *tty) wait(want string) {
	s.Helper()
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		if i := strings.Index(s.text[s.read:], want); i >= 0 {
			s.read += i + len(want)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Fatalf("%q did not appear; since the last wait there was %q", want, s.text[s.read:])
}

// ready waits for the prompt behind an answer: there pasting is on again.
func (s *tty) ready() {
	s.Helper()
	s.wait(pasteOn)
	s.wait(prompt)
}

func TestTerminal(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.ready()

	s.typed("1 + 2\r")
	s.wait(pasteOff + "3\r\n")
	s.ready()

	// A pasted block is one entry, with its tabs, and waits for Enter.
	s.typed(pasteBegin + "param a: int = 4\nparam b: int = [\n\t1,\n\t2\n][1]\n[a,\tb]\n" + pasteEnd)
	s.wait("param a: int = 4⏎param b: int = [⏎ 1,⏎ 2⏎][1]⏎[a, b]")
	s.typed("\r")
	s.wait("param a, param b\r\n[4, 2]\r\n")
	s.ready()

	// The arrow brings the whole block back.
	s.typed("\x1b[A")
	s.wait("param a: int = 4⏎")
	s.typed("\r")
	s.wait("[4, 2]\r\n")
	s.ready()

	// Tab completes by place.
	s.typed("phantom(pati\t 2).pa\t")
	s.wait("patients: 2).patients")
	s.typed("\r")
	s.wait("2\r\n")
	s.ready()

	// What is explained fits the window, also after it was resized.
	for _, cols := range []uint16{44, 100} {
		if err := pty.Setsize(s.f, &pty.Winsize{Rows: 30, Cols: cols}); err != nil {
			t.Fatal(err)
		}
		s.typed("?sliding\r")
		s.wait(pasteOff)
		from := s.read
		s.wait(pasteOn)
		s.mu.Lock()
		widest := 0
		for line := range strings.Lines(s.text[from : s.read-len(pasteOn)]) {
			if line = strings.TrimRight(line, "\r\n"); !strings.Contains(line, "sliding(") { // code is shown as it is written
				widest = max(widest, len([]rune(line)))
			}
		}
		s.mu.Unlock()
		if widest > int(cols) || widest < int(cols)-20 {
			t.Errorf("in a window of %d columns the longest line has %d", cols, widest)
		}
		s.wait(prompt)
	}

	// Ctrl-C clears what is typed, also behind an open bracket and with a menu of completions open.
	s.typed("[1,\r")
	s.wait(morePrompt)
	s.typed("\x03")
	s.ready()
	s.typed("sam_\t\t")
	s.wait("sam_vit_b")
	s.typed("\x03")
	s.ready()

	// In a computation it stops the stage, not the session.
	s.typed("phantom(patients: 90000, slices: 20, size: 64 px)\r")
	s.wait("progress phantom")
	s.typed("\x03")
	s.wait("note stopping after this step")
	s.wait("stopped; what was finished is kept")
	s.ready()
	s.typed("a + 1\r")
	s.wait(pasteOff + "5\r\n")
	s.ready()

	s.typed("\x04")
	s.wait("left: <nil>")
	<-s.ends
	s.mu.Lock()
	if on, off := strings.LastIndex(s.text, pasteOn), strings.LastIndex(s.text, pasteOff); off < on {
		t.Error("the terminal is left with pasting on")
	}
	s.mu.Unlock()

	// The next session remembers the block as one item.
	s = open(t, dir)
	s.ready()
	s.typed("\x12param a")
	s.wait("param a: int = 4⏎")
	s.typed("\r")
	s.wait("[4, 2]\r\n")
	s.ready()
	s.typed("\x04")
	s.wait("left: <nil>")
}

// Without a terminal Ctrl-C ends the session: what follows in a pipe was not meant to run.
func TestInterruptedPipeEnds(t *testing.T) {
	var out, errs strings.Builder
	failed, err := Run(context.Background(), Config{Engine: engine.Config{Dir: t.TempDir()}, Out: &out, Err: &errs,
		Input: Lines(strings.NewReader("phantom(patients: 90000, slices: 20, size: 64 px)\n1 + 1\n"), nil),
		View: func() (func(engine.Event), func()) {
			sent := false
			return func(e engine.Event) {
				if e.Kind == "progress" && !sent {
					sent = true
					if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
						t.Error(err)
					}
				}
			}, func() {}
		}})
	if failed != 1 || !errors.Is(err, context.Canceled) || out.String() != "" {
		t.Errorf("%d failed, %v, answered %q\n%s", failed, err, out.String(), errs.String())
	}
}
