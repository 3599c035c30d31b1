package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// pages are the documents of the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../spec/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			out[f] = string(b)
		}
	}
	if len(out) < 4 {
		t.Fatalf("only %d documents were found", len(out))
	}
	return out
}

var fenced = regexp.MustCompile("(?ms)^```mseg\n(.*?)^```")

// A script in a document that begins with an edition is a whole script: it checks, and is laid out as mseg fmt does it.
func TestScriptsInDocumentsCheck(t *testing.T) {
	n := 0
	for name, text := range pages(t) {
		for _, m := range fenced.FindAllStringSubmatch(text, -1) {
			if !strings.HasPrefix(m[1], "mseg 1\n") {
				continue
			}
			n++
			script := filepath.Join(t.TempDir(), "page.mseg")
			if err := os.WriteFile(script, []byte(m[1]), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, stderr, code := mseg(t, "check", script); code != 0 {
				t.Errorf("%s:\n%s", name, stderr)
			}
			if stdout, _, code := mseg(t, "fmt", "--diff", script); code != 0 || stdout != "" {
				t.Errorf("%s: a script is not in the canonical layout:\n%s", name, stdout)
			}
		}
	}
	if n == 0 {
		t.Error("no document holds a script")
	}
}

var link = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

func TestLinksInDocumentsLead(t *testing.T) {
	for name, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
	}
}

func TestReadmeListsEveryCommand(t *testing.T) {
	k, err := kong.New(&cli{}, kong.Name("mseg"))
	if err != nil {
		t.Fatal(err)
	}
	text := pages(t)["../../README.md"]
	for _, leaf := range k.Model.Leaves(true) {
		command := "`mseg"
		for n := leaf; n.Parent != nil; n = n.Parent {
			command = strings.Replace(command, "`mseg", "`mseg "+n.Name, 1)
		}
		if !strings.Contains(text, command) {
			t.Errorf("README.md does not list %s`", command)
		}
	}
}

// What is imported directly is explained in docs/dependencies.md, and nothing else is.
func TestEveryDependencyIsExplained(t *testing.T) {
	b, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var direct, explained []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(b), -1) {
		direct = append(direct, m[1])
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\S+\\.\\S+/\\S+)` \\|").FindAllStringSubmatch(pages(t)["../../docs/dependencies.md"], -1) {
		explained = append(explained, m[1])
	}
	slices.Sort(direct)
	slices.Sort(explained)
	if !slices.Equal(direct, explained) {
		t.Errorf("go.mod requires %q\ndocs/dependencies.md explains %q", direct, explained)
	}
}
