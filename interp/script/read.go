package script

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/mseg-lang/mseg/lang/diag"
)

// maxSize keeps a wrong file (an image, say) from being read as a script.
const maxSize = 16 << 20

// Read gives the text of a script; path "-" is standard input. The error says what is there instead of a script.
func Read(path string) (string, error) {
	in := io.Reader(os.Stdin)
	if path != "-" {
		if err := Exists(path); err != nil {
			return "", err
		}
		f, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("cannot read the script: %w", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxSize+1))
	if err != nil {
		return "", fmt.Errorf("cannot read the script: %w", err)
	}
	if len(b) > maxSize {
		return "", fmt.Errorf("%s has more than %d bytes; a script has at most that", Name(path), maxSize)
	}
	return string(b), nil
}

// Name is how the script at a path is called in messages.
func Name(path string) string {
	if path == "-" {
		return "<stdin>"
	}
	return path
}

// Exists is nil where a path leads to something that is no folder; else it says what is wrong, with the name of a script nearby that may be meant.
func Exists(path string) error {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing{path, err}
	case err != nil:
		return fmt.Errorf("cannot read the script: %w", err)
	case st.IsDir():
		return fmt.Errorf("%s is a folder; name a script in it", path)
	}
	return nil
}

// missing is fs.ErrNotExist in the words of a person who mistyped a name.
type missing struct {
	path string
	err  error
}

func (m missing) Error() string {
	return "cannot read the script: there is no file " + m.path + meant(m.path)
}
func (m missing) Unwrap() error { return m.err }

// meant suggests a script of the same folder.
func meant(path string) string {
	dir := filepath.Dir(path)
	found, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	var names []string
	for _, f := range found {
		if filepath.Ext(f.Name()) == ".mseg" && !f.IsDir() {
			names = append(names, f.Name())
		}
	}
	base := filepath.Base(path)
	if filepath.Ext(base) == "" {
		base += ".mseg"
	}
	s := base
	if !slices.Contains(names, base) {
		s = diag.Suggest(base, names)
	}
	if s == "" || s == filepath.Base(path) { // it has come in the meantime
		return ""
	}
	return "; did you mean " + filepath.Join(dir, s) + "?"
}
