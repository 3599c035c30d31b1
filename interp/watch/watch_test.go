package watch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mseg-lang/mseg/interp/engine"
)

// deadline is how long a test waits before it fails; nothing is measured by it.
const deadline = time.Minute

// screen collects what is shown; waits have a generous end, since the machine may be busy.
type screen struct {
	mu   sync.Mutex
	text string
	read int // how far wait has gone
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text += string(b)
	return len(b), nil
}

func (s *screen) Event(e engine.Event) { fmt.Fprintf(s, "%s %s\n", e.Kind, e.Op) }
func (s *screen) Line(text string)     { fmt.Fprintln(s, text) }
func (s *screen) Close()               {}

// wait goes on to the next place where a text stands and gives what was passed.
func (s *screen) wait(t *testing.T, want string) string {
	t.Helper()
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		if i := strings.Index(s.text[s.read:], want); i >= 0 {
			passed := s.text[s.read : s.read+i+len(want)]
			s.read += i + len(want)
			s.mu.Unlock()
			return passed
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Fatalf("%q was not shown; shown since the last wait:\n%s", want, s.text[s.read:])
	return ""
}

const cheap = `data d = phantom(patients: 2, slices: 2, size: 32 px) |> prep(percentile(0 % .. 100 %) |> slices() |> resize(32 px))
eval e = box_fill |> evaluate(d) { metrics: [dice] }
`

type watched struct {
	*screen
	path string
	keys chan string
	stop func() error
}

func begin(t *testing.T, text string, poll time.Duration) *watched {
	t.Helper()
	dir := t.TempDir()
	w := &watched{screen: &screen{}, path: filepath.Join(dir, "a.mseg"), keys: make(chan string)}
	w.save(t, text)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{Script: w.path, Engine: engine.Config{Dir: dir}, Poll: poll, Keys: w.keys, View: func() View { return w.screen }, Out: w, Err: w})
	}()
	var once sync.Once
	var err error
	w.stop = func() error {
		once.Do(func() { cancel(); err = <-ended })
		return err
	}
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// save writes in place, as many editors do.
func (w *watched) save(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(w.path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replace saves as editors do that write a new file and rename it.
func (w *watched) replace(t *testing.T, text string) {
	t.Helper()
	other := w.path + "~"
	if err := os.WriteFile(other, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, w.path); err != nil {
		t.Fatal(err)
	}
}

func TestSaves(t *testing.T) {
	for _, poll := range []time.Duration{0, 20 * time.Millisecond} {
		t.Run(fmt.Sprintf("poll %v", poll), func(t *testing.T) {
			w := begin(t, cheap, poll)
			w.wait(t, "a.mseg: ran phantom, d (prep), e (predict), e (evaluate); 0 cached")

			two := strings.Replace(cheap, "[dice]", "[dice, iou]", 1)
			w.replace(t, two)
			w.wait(t, "a.mseg: ran e (evaluate); 3 cached")

			w.save(t, "# only a comment\n"+two)
			if s := w.wait(t, "no change"); strings.Contains(s, "start") {
				t.Errorf("a comment ran something:\n%s", s)
			}

			w.replace(t, two+"eval f = box_full |> evaluate(d)\n")
			w.wait(t, "did you mean box_fill?")
			w.wait(t, "a.mseg: 1 error; waiting for the next save")

			w.save(t, two+"eval f = box_ellipse |> evaluate(d)\n")
			w.wait(t, "a.mseg: ran f (predict), f (evaluate); 4 cached")
		})
	}
}

func TestMissingAndEmptyAreWaitedFor(t *testing.T) {
	w := begin(t, cheap, 0)
	w.wait(t, "a.mseg: ran")
	if err := os.Remove(w.path); err != nil {
		t.Fatal(err)
	}
	w.wait(t, "a.mseg is gone; waiting")
	w.save(t, "")
	w.wait(t, "a.mseg is empty; waiting")
	w.save(t, cheap)
	if s := w.wait(t, "\n"); strings.Contains(s, "start") {
		t.Errorf("the same text ran again:\n%s", s)
	}
	w.save(t, strings.Replace(cheap, "dice", "iou", 1))
	w.wait(t, "a.mseg: ran e (evaluate); 3 cached")
}

func TestUselessRunIsStopped(t *testing.T) {
	long := strings.Replace(cheap, "patients: 2, slices: 2, size: 32 px", "patients: 90000, slices: 8, size: 64 px", 1)
	w := begin(t, long, 0)
	w.wait(t, "progress phantom")
	w.save(t, "# comment\n"+long)
	w.wait(t, "no change; the run goes on")
	w.replace(t, cheap)
	w.wait(t, "saved: phantom is no longer wanted and stops after this step")
	w.wait(t, "stopped phantom")
	w.wait(t, "a.mseg: ran phantom, d (prep), e (predict), e (evaluate); 0 cached")
}

func TestLeavingStopsTheRun(t *testing.T) {
	w := begin(t, strings.Replace(cheap, "patients: 2", "patients: 90000", 1), 0)
	w.wait(t, "progress phantom")
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w.wait(t, "a.mseg: stopped; what was finished is kept")
}

func TestKeysAndFailures(t *testing.T) {
	w := begin(t, cheap+"expect e.dice.mean >= 2\n", 0)
	w.wait(t, "expectation does not hold: e.dice.mean >= 2")
	w.wait(t, "1 expectation, 0 hold")
	w.keys <- "r"
	w.wait(t, "a.mseg: nothing to run; 4 cached")
	w.keys <- "x"
	w.wait(t, "r runs again, q quits")
	w.save(t, cheap+"data v = volumes(\"no/{case}.nrrd\", mask: \"no/{case}_m.nrrd\") { modality: MRI, tasks: { 1: MRI_Liver } }\neval g = box_fill |> evaluate(v)\n")
	w.wait(t, "a.mseg cannot be planned; waiting for the next save")
	w.save(t, cheap)
	w.wait(t, "a.mseg: nothing to run; 4 cached")
	w.keys <- "q"
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
}

// A folder that is moved away and made anew, as by a checkout of another branch, is watched again. So is the target of a link.
func TestReplacedFolderAndLinks(t *testing.T) {
	dir := t.TempDir()
	folder, link, results := filepath.Join(dir, "scripts"), filepath.Join(dir, "link.mseg"), filepath.Join(dir, "results")
	write := func(text string) {
		t.Helper()
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "a.mseg"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(cheap)
	if err := os.Symlink(filepath.Join(folder, "a.mseg"), link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	s := &screen{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{Script: link, Engine: engine.Config{Dir: results}, View: func() View { return s }, Out: s, Err: s})
	}()
	s.wait(t, "link.mseg: ran phantom")
	write(strings.Replace(cheap, "dice", "iou", 1))
	s.wait(t, "link.mseg: ran e (evaluate); 3 cached")
	if err := os.Rename(folder, folder+"_old"); err != nil {
		t.Fatal(err)
	}
	s.wait(t, "link.mseg is gone; waiting")
	write(strings.Replace(cheap, "dice", "rvd", 1))
	s.wait(t, "link.mseg: ran e (evaluate); 3 cached")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestMissingScriptIsAnError(t *testing.T) {
	err := Run(context.Background(), Config{Script: filepath.Join(t.TempDir(), "a.mseg")})
	if err == nil || !strings.Contains(err.Error(), "cannot read the script") {
		t.Errorf("got %v", err)
	}
}

// A title and the names that a report shows are no part of any key, but the page must be drawn anew.
func TestTitlesCount(t *testing.T) {
	text := cheap + "report r = [e] { title: \"One\" }\n"
	w := begin(t, text, 0)
	w.wait(t, "r"+string(filepath.Separator)+"index.html")
	w.save(t, strings.Replace(text, "One", "Two", 1))
	w.wait(t, "a.mseg: ran r (report)")
	page, err := os.ReadFile(filepath.Join(filepath.Dir(w.path), "a.out", "r", "index.html"))
	if err != nil || !strings.Contains(string(page), "Two") {
		t.Errorf("the page does not show the new title (%v)", err)
	}
}
