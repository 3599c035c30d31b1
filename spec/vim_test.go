package spec

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mseg-lang/mseg/lang/source"
)

// vimClasses are the classes of what the syntax file names.
var vimClasses = map[string]string{
	"msegComment": "comment", "msegString": "string", "msegEscape": "string", "msegPlaceholder": "string", "msegNumber": "number", "msegUnit": "unit",
	"msegPath": "path", "msegControl": "word", "msegWordOperator": "word", "msegConstant": "word", "msegKind": "head", "msegHead": "head",
}

const vimProgram = `set nocompatible
filetype plugin on
syntax on
for file in split($MSEG_FILES, "\n")
  execute "edit " . fnameescape(file)
  syntax sync fromstart
  let out = [&filetype . " " . &commentstring]
  for l in range(1, line("$"))
    call add(out, join(map(range(1, len(getline(l))), {_, c -> synIDattr(synID(g:l, c, 1), "name")}), ","))
  endfor
  call writefile(out, file . ".syn")
endfor
qa!
`

// Where an editor of the Vim family is installed, it colours every script as the lexer reads it.
func TestVimSyntaxAgreesWithTheLexer(t *testing.T) {
	var command []string
	for _, name := range []string{"nvim", "vim"} {
		if path, err := exec.LookPath(name); err == nil {
			command = map[string][]string{"nvim": {path, "--clean", "--headless"}, "vim": {path, "-e", "-s", "-N", "-u", "NONE"}}[name]
			break
		}
	}
	if command == nil {
		t.Skip("neither nvim nor vim is installed")
	}
	editors, err := filepath.Abs("editors/vim")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	texts := map[string]string{}
	for _, pattern := range []string{"../examples/[a-z]*.mseg", "../stdlib/[a-z]*.mseg", "../lang/check/testdata/ok/*.mseg"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(found), err)
		}
		for _, path := range found {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts[filepath.Join(dir, filepath.Base(path))] = string(b)
		}
	}
	texts[filepath.Join(dir, "corners.mseg")] = "param half: number = 6 / 2 px / (1 + 2) / x.y\ndata d = a |> where(task in /torso/** and organ == /head)\nexpect e.in.if > 0\nprep p = a {\n  s: 4 s\n  min: 3e-3\n}\n"
	var files []string
	for path, text := range texts {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	program := filepath.Join(dir, "look.vim")
	if err := os.WriteFile(program, []byte(vimProgram), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(command[0], append(command[1:], "-n", "-i", "NONE", "--cmd", "set rtp^="+editors, "-S", program)...)
	cmd.Env = append(os.Environ(), "MSEG_FILES="+strings.Join(files, "\n"), "HOME="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	} else if len(out) > 0 {
		t.Errorf("the editor says %s", out)
	}
	for path, text := range texts {
		b, err := os.ReadFile(path + ".syn")
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(b), "\n")
		if lines[0] != "mseg # %s" {
			t.Errorf("file type and comments are %q", lines[0])
		}
		want := classes(text)
		f := source.New(filepath.Base(path), text)
		for i := range want {
			p := f.Position(i)
			if strings.TrimSpace(text[i:i+1]) == "" {
				continue
			}
			name := strings.Split(lines[p.Line], ",")[i-f.Offset(p.Line, 1)]
			if vimClasses[name] != want[i] {
				t.Errorf("%s:%d:%d: %q is %q, Vim has it as %q", f.Name, p.Line, p.Column, f.Line(p.Line), want[i], name)
				break
			}
		}
	}
}
