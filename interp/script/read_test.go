package script

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestMissingScripts(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"first.mseg", "second.mseg", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mseg 1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "third.mseg"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, meant := range map[string]string{
		"first": "first.mseg", "frist.mseg": "first.mseg", "secnd": "second.mseg", "notes.tx": "", "thrd.mseg": "", "quite-another.mseg": "", "none/first.mseg": "",
	} {
		path := filepath.Join(dir, name)
		want := "cannot read the script: there is no file " + path
		if meant != "" {
			want += "; did you mean " + filepath.Join(dir, meant) + "?"
		}
		_, err := Read(path)
		if err == nil || err.Error() != want || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, expected %s", name, err, want)
		}
	}
	if _, err := Read(filepath.Join(dir, "third.mseg")); err == nil || err.Error() != filepath.Join(dir, "third.mseg")+" is a folder; name a script in it" {
		t.Errorf("a folder: %v", err)
	}
	if text, err := Read(filepath.Join(dir, "first.mseg")); err != nil || text != "mseg 1\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// A wrong file, or a pipe without end, is not read whole.
func TestTooLargeForAScript(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.mseg")
	if err := os.WriteFile(path, make([]byte, maxSize+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || err.Error() != path+" has more than 16777216 bytes; a script has at most that" {
		t.Error(err)
	}
	if err := os.Truncate(path, maxSize); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err != nil {
		t.Error(err)
	}
}
