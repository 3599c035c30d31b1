// Package stdlib is the standard library: .mseg text, embedded. A library is used by name: `use medsegdb (tree)`.
package stdlib

import (
	"embed"
	"sort"
	"strings"
)

//go:embed *.mseg
var files embed.FS

// Text is the source of a library; ok is false when there is none of that name.
func Text(name string) (text string, ok bool) {
	b, err := files.ReadFile(name + ".mseg")
	return string(b), err == nil
}

// Names lists the libraries, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ".mseg"))
	}
	sort.Strings(out)
	return out
}
