package repl

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// historyLimit is how many entries are remembered.
const historyLimit = 1000

// history is the entries of earlier sessions and of this one, oldest first, each once: the last use counts. In the file each is a line
// that holds a JSON string, so that entries of several lines survive; only the user can read it.
type history struct {
	path  string // "" keeps the history in memory only
	items []string
}

// HistoryPath is the file in the user's state folder: $XDG_STATE_HOME/mseg/history, else ~/.local/state/mseg/history, or the
// configuration folder of the system where there is no such custom.
func HistoryPath() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "mseg", "history"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no place for the history: %w", err)
	}
	config, err := os.UserConfigDir()
	if err != nil || config == filepath.Join(home, ".config") {
		return filepath.Join(home, ".local", "state", "mseg", "history"), nil
	}
	return filepath.Join(config, "mseg", "history"), nil
}

// openHistory reads the file; lines that are no JSON string are dropped. A file that cannot be read is reported, the history then lives in memory.
func openHistory(path string) (*history, error) {
	h := &history{path: path}
	if path == "" {
		return h, nil
	}
	f, err := os.Open(path)
	if err != nil {
		if os.IsNotExist(err) {
			return h, nil
		}
		h.path = ""
		return h, fmt.Errorf("cannot read the history: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s string
		if json.Unmarshal(lines.Bytes(), &s) == nil {
			h.put(s)
		}
	}
	return h, nil
}

func (h *history) put(entry string) {
	entry = strings.TrimSpace(entry)
	if entry == "" {
		return
	}
	h.items = append(slices.DeleteFunc(h.items, func(s string) bool { return s == entry }), entry)
	h.items = h.items[max(0, len(h.items)-historyLimit):]
}

// add remembers an entry and writes the file anew, so that it is whole after a crash. Entries that another session has written meanwhile are kept.
func (h *history) add(entry string) error {
	h.put(entry)
	if h.path == "" {
		return nil
	}
	if other, err := openHistory(h.path); err == nil {
		own := h.items
		h.items = other.items
		for _, s := range own {
			if !slices.Contains(h.items, s) {
				h.put(s)
			}
		}
		h.put(entry)
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, s := range h.items {
		if err := enc.Encode(s); err != nil {
			return err
		}
	}
	if err := writePrivate(h.path, b.String()); err != nil {
		return fmt.Errorf("cannot keep the history: %w", err)
	}
	return nil
}

// writePrivate replaces a file whole or not at all; nobody but the user can read it at any moment.
func writePrivate(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
