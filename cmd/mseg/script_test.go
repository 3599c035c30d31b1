package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts in testdata run the program as a user does, one behaviour a file. Beside testscript's own commands they have
//
//	code N COMMAND …     run a command and want this exit code; N,M: one of these
//	json FILE KEY VALUE  want a value (JSON, numbers to 1e-5) at a place a.b.0.c of a JSON file, stdout or stderr
//	await PATTERN        wait until a file matches
//	none PATTERN         want that no file matches
//	tidy STORE           want a store without anything half-written
//	damage STORE OP FILE change a byte of a file of every artefact of an operation
//	same STORE STORE FILE  want a file to have one content in the artefacts of two stores
//	smalldisk DIR SIZE   make a folder with little room; only where the condition [smalldisk] holds
//	gen …                make test data; see gen_test.go
func TestScripts(t *testing.T) {
	program, err := exec.LookPath("mseg")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("MSEG_BACKEND", "go") // the same numbers on every machine, and no plugin to load
			e.Setenv("BIN", filepath.Dir(program))
			e.Setenv("EXAMPLES", examples)
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": wantCode, "json": wantJSON, "await": await, "none": none,
			"tidy": wantTidy, "damage": damage, "same": wantSame, "smalldisk": smallDisk},
		Condition: func(name string) (bool, error) {
			if name == "smalldisk" {
				return canMount(t.TempDir()), nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
	})
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mseg": main, "gen": gen})
}

func wantCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND …")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if !slices.Contains(strings.Split(args[0], ","), fmt.Sprint(got)) {
		ts.Fatalf("exit code %d, expected %s", got, args[0])
	}
}

func wantJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE KEY VALUE")
	}
	var all, want any
	if err := json.Unmarshal([]byte(ts.ReadFile(args[0])), &all); err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
	if err := json.Unmarshal([]byte(args[2]), &want); err != nil {
		ts.Fatalf("%s is no JSON: %v", args[2], err)
	}
	got, ok := lookup(all, args[1])
	if same := ok && sameJSON(got, want); same == neg {
		text, _ := json.Marshal(got)
		ts.Fatalf("%s is %s (there: %v), compared with %s", args[1], text, ok, args[2])
	}
}

// lookup follows a.b.0.c through objects and arrays; length is that of an array.
func lookup(v any, path string) (any, bool) {
	if path == "" {
		return v, true
	}
	key, rest, _ := strings.Cut(path, ".")
	switch v := v.(type) {
	case map[string]any:
		if x, ok := v[key]; ok {
			return lookup(x, rest)
		}
	case []any:
		if key == "length" {
			return float64(len(v)), true
		}
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(v) {
			return lookup(v[i], rest)
		}
	}
	return nil, false
}

func sameJSON(a, b any) bool {
	switch a := a.(type) {
	case float64:
		x, ok := b.(float64)
		return ok && math.Abs(a-x) <= 1e-5*max(1, math.Abs(a), math.Abs(x))
	case []any:
		x, ok := b.([]any)
		return ok && slices.EqualFunc(a, x, sameJSON)
	case map[string]any:
		x, ok := b.(map[string]any)
		for k := range a {
			ok = ok && sameJSON(a[k], x[k])
		}
		return ok && len(a) == len(x)
	}
	return a == b
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await PATTERN")
	}
	for range 6000 {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		if len(found) > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("no file %s within a minute", args[0])
}

func none(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: none PATTERN")
	}
	found, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(found) > 0 {
		ts.Fatalf("there is %s", found[0])
	}
}

func wantTidy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tidy STORE")
	}
	err := filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") && path != ts.MkAbs(args[0]) || filepath.Base(filepath.Dir(path)) == "tmp" {
			ts.Fatalf("%s was left behind", path)
		}
		return nil
	})
	ts.Check(err)
}

// artefactFiles lists a file in the artefacts of a store; op "" means any operation.
func artefactFiles(ts *testscript.TestScript, store, op, file string) []string {
	var out []string
	found, err := filepath.Glob(filepath.Join(ts.MkAbs(store), "artefacts", "*", "*", file))
	ts.Check(err)
	for _, f := range found {
		var meta struct{ Op string }
		b, err := os.ReadFile(filepath.Join(filepath.Dir(f), "meta.json"))
		ts.Check(err)
		ts.Check(json.Unmarshal(b, &meta))
		if op == "" || meta.Op == op {
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		ts.Fatalf("no artefact of %q in %s has a file %s", op, store, file)
	}
	return out
}

func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: damage STORE OP FILE")
	}
	for _, f := range artefactFiles(ts, args[0], args[1], args[2]) {
		b, err := os.ReadFile(f)
		ts.Check(err)
		b[len(b)/2] ^= 0x55
		ts.Check(os.WriteFile(f, b, 0o644))
	}
}

func wantSame(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: same STORE STORE FILE")
	}
	a, b := artefactFiles(ts, args[0], "", args[2]), artefactFiles(ts, args[1], "", args[2])
	if len(a) != len(b) {
		ts.Fatalf("%d files %s in %s, %d in %s", len(a), args[2], args[0], len(b), args[1])
	}
	for i := range a {
		if filepath.Base(filepath.Dir(a[i])) != filepath.Base(filepath.Dir(b[i])) {
			ts.Fatalf("%s and %s have different identities", a[i], b[i])
		}
		if ts.ReadFile(a[i]) != ts.ReadFile(b[i]) {
			ts.Fatalf("%s and %s differ", a[i], b[i])
		}
	}
}

func smallDisk(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: smalldisk DIR SIZE")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+args[1], "tmpfs", dir).CombinedOutput(); err != nil {
		ts.Fatalf("mount: %v: %s", err, out)
	}
	ts.Defer(func() { _ = exec.Command("umount", "-l", dir).Run() })
}

// canMount tries a mount, since even root may not do so in a container.
func canMount(dir string) bool {
	if os.Getuid() != 0 || exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir).Run() != nil {
		return false
	}
	return exec.Command("umount", dir).Run() == nil
}
