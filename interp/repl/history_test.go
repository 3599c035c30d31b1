package repl

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "mseg", "history")
	h, err := openHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := openHistory(path) // a second session at the same time
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []string{"a", "b\n\tc \"x\" <y>", "a", " ", "d\n"} {
		if err := h.add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.add("o"); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	b, _ := os.ReadFile(path)
	if want := "\"b\\n\\tc \\\"x\\\" <y>\"\n\"a\"\n\"d\"\n\"o\"\n"; string(b) != want {
		t.Errorf("the file holds\n%s", b)
	}
	again, err := openHistory(path)
	if err != nil || !slices.Equal(again.items, []string{"b\n\tc \"x\" <y>", "a", "d", "o"}) {
		t.Errorf("read again: %q, %v", again.items, err)
	}
}

func TestHistoryOfAnotherForm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	if err := os.WriteFile(path, []byte("plain\n\"good\"\n\x00\xff\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := openHistory(path)
	if err != nil || !slices.Equal(h.items, []string{"good"}) {
		t.Errorf("%q, %v", h.items, err)
	}
}

func TestHistoryHasALimit(t *testing.T) {
	h := &history{}
	for i := range historyLimit + 5 {
		h.put(fmt.Sprint(i))
	}
	if len(h.items) != historyLimit || h.items[0] != "5" {
		t.Errorf("%d items, the first %s", len(h.items), h.items[0])
	}
}

func TestHistoryWithoutAPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := openHistory(filepath.Join(file, "history"))
	if h == nil {
		t.Fatal("no history at all")
	}
	if err == nil {
		err = h.add("a")
	}
	if err == nil || !strings.Contains(err.Error(), "the history") || !slices.Equal(append(h.items, "x"), append(h.items, "x")) {
		t.Errorf("got %v", err)
	}
}
