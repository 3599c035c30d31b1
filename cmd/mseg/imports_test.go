package main

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mseg-lang/mseg"

// importRule forbids a room of the house what it must not reach. Names are import paths; those without a dot are rooms of this module.
type importRule struct {
	from   string
	except string
	never  []string
	direct bool // only what a package itself imports; otherwise what it reaches through others as well
	why    string
}

var importRules = []importRule{
	{from: "lang", never: []string{"ops", "models", "interp", "cmd", "github.com/gomlx"}, why: "check, format and lint start in milliseconds and compile to WebAssembly"},
	{from: "stdlib", never: []string{"lang", "ops", "models", "interp", "cmd", "github.com/gomlx"}, why: "the standard library is text"},
	{from: "ops", never: []string{"lang", "stdlib", "models", "interp", "cmd"}, why: "operations know numbers and files, not scripts or networks"},
	{from: "models", never: []string{"lang", "stdlib", "interp", "cmd"}, why: "a model reads like its paper; scripts are lowered to it, not the reverse"},
	{from: "interp", never: []string{"cmd"}, why: "the engine serves commands, REPL and watcher alike"},
	{from: "", except: "ops/graph", never: []string{"github.com/gomlx/compute/gobackend", "github.com/gomlx/compute/backends", "github.com/gomlx/gomlx/backends", "github.com/gomlx/go-xla"},
		direct: true, why: "backends are opened in one place, ops/graph"},
}

func room(path string) string {
	if first, _, _ := strings.Cut(path, "/"); path == "" || !strings.Contains(first, ".") {
		return strings.TrimSuffix(module+"/"+path, "/")
	}
	return path
}

func within(pkg, path string) bool { return pkg == path || strings.HasPrefix(pkg, path+"/") }

// violations lists every forbidden way, as the chain of imports that takes it: "lang/check → stdlib → ops/data: why".
func violations(imports map[string][]string, rules []importRule) []string {
	var out []string
	for _, r := range rules {
		for pkg := range imports {
			if !within(pkg, room(r.from)) || r.except != "" && within(pkg, room(r.except)) {
				continue
			}
			for _, forbidden := range r.never {
				chain := way(imports, pkg, room(forbidden), r.direct)
				if chain == nil {
					continue
				}
				for i := range chain {
					chain[i] = strings.TrimPrefix(chain[i], module+"/")
				}
				out = append(out, strings.Join(chain, " → ")+": "+r.why)
			}
		}
	}
	slices.Sort(out)
	return out
}

// way finds the shortest chain of imports from a package into a forbidden tree; nil when there is none.
func way(imports map[string][]string, from, to string, direct bool) []string {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range imports[queue[0]] {
			if _, seen := before[next]; seen {
				continue
			}
			before[next] = queue[0]
			if within(next, to) {
				var chain []string
				for p := next; p != ""; p = before[p] {
					chain = append(chain, p)
				}
				slices.Reverse(chain)
				return chain
			}
			if !direct {
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// moduleImports asks the go tool what every package imports. Tests count as part of their package: a test that reaches upwards ties
// the rooms together just as well.
func moduleImports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,TestImports,XTestImports", module+"/...")
	var problem strings.Builder
	cmd.Stderr = &problem
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, problem.String())
	}
	imports := map[string][]string{}
	for dec := json.NewDecoder(strings.NewReader(string(b))); ; {
		var p struct {
			ImportPath                         string
			Standard                           bool
			Imports, TestImports, XTestImports []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return imports
		} else if err != nil {
			t.Fatal(err)
		}
		if !p.Standard {
			imports[p.ImportPath] = slices.Concat(p.Imports, p.TestImports, p.XTestImports)
		}
	}
}

func TestImportsGoOneWay(t *testing.T) {
	imports := moduleImports(t)
	for _, r := range importRules {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(imports)), func(p string) bool { return within(p, room(r.from)) }) {
			t.Errorf("there is no package in %s: the rule guards nothing", r.from)
		}
	}
	if way(imports, module+"/ops/graph", "github.com/gomlx/go-xla", true) == nil {
		t.Error("ops/graph opens no backend: the last rule guards nothing")
	}
	for _, v := range violations(imports, importRules) {
		t.Error(v)
	}
}

// A rule that cannot fail guards nothing.
func TestABrokenRuleIsFound(t *testing.T) {
	const m = module + "/"
	for name, c := range map[string]struct {
		imports map[string][]string
		want    string
	}{
		"lang reaches the engine through others": {
			map[string][]string{m + "lang/check": {m + "lang/ir"}, m + "lang/ir": {"example.org/x"}, "example.org/x": {"github.com/gomlx/gomlx/core/graph"}},
			"lang/check → lang/ir → example.org/x → github.com/gomlx/gomlx/core/graph: "},
		"ops imports a model":        {map[string][]string{m + "ops/train": {m + "models/sam"}}, "ops/train → models/sam: "},
		"models import the language": {map[string][]string{m + "models/sam": {m + "lang/ir"}}, "models/sam → lang/ir: "},
		"interp imports a command":   {map[string][]string{m + "interp/repl": {m + "cmd/mseg"}}, "interp/repl → cmd/mseg: "},
		"the library imports code":   {map[string][]string{m + "stdlib": {m + "lang/syntax"}}, "stdlib → lang/syntax: "},
		"a second place for backends": {map[string][]string{m + "models/unet": {"github.com/gomlx/go-xla/pjrt"}, m + "ops/graph": {"github.com/gomlx/go-xla/pjrt"}},
			"models/unet → github.com/gomlx/go-xla/pjrt: "},
	} {
		t.Run(name, func(t *testing.T) {
			if got := violations(c.imports, importRules); len(got) == 0 || !strings.HasPrefix(got[0], c.want) {
				t.Errorf("found %q, expected %q…", got, c.want)
			}
		})
	}
	if got := violations(map[string][]string{m + "interp/engine": {m + "ops/graph", m + "lang/ir"}, m + "ops/graph": {"github.com/gomlx/compute/gobackend"}}, importRules); len(got) != 0 {
		t.Errorf("ways that are allowed were refused: %q", got)
	}
}
