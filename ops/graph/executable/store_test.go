package executable

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStoreKeepsPrograms(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "new", "programs")}
	if got := s.get("absent"); got != nil {
		t.Errorf("an empty store holds %q", got)
	}
	if n, size, err := s.Size(); n != 0 || size != 0 || err != nil {
		t.Errorf("the size of a store that does not exist is %d, %d, %v", n, size, err)
	}
	want := []byte("machine code")
	if err := s.put("k", want); err != nil {
		t.Fatal(err)
	}
	if got := s.get("k"); !bytes.Equal(got, want) {
		t.Errorf("kept %q, got %q", want, got)
	}
	if n, size, err := s.Size(); n != 1 || size <= int64(len(want)) || err != nil {
		t.Errorf("the size of a store with one program is %d, %d, %v", n, size, err)
	}
}

func TestStoreTrustsNothing(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"a bit has changed": func(path string) error {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data[len(data)-1] ^= 1
			return os.WriteFile(path, data, 0o600)
		},
		"it ends early":           func(path string) error { return os.Truncate(path, int64(len(magic)+40)) },
		"it is empty":             func(path string) error { return os.Truncate(path, 0) },
		"only the head is there":  func(path string) error { return os.Truncate(path, int64(len(magic)+32)) },
		"others may write to it":  func(path string) error { return os.Chmod(path, 0o622) },
		"others may add to it":    func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) },
		"it is a link":            func(path string) error { return relink(path) },
		"it is of another format": func(path string) error { return os.WriteFile(path, []byte("something else"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			s := Store{Dir: filepath.Join(t.TempDir(), "programs")}
			if err := s.put("k", []byte("machine code of some length")); err != nil {
				t.Fatal(err)
			}
			if s.get("k") == nil {
				t.Fatal("not kept at all")
			}
			if err := spoil(s.path("k")); err != nil {
				t.Fatal(err)
			}
			if got := s.get("k"); got != nil {
				t.Errorf("it was used: %q", got)
			}
		})
	}
}

func relink(path string) error {
	if err := os.Rename(path, path+".real"); err != nil {
		return err
	}
	return os.Symlink(path+".real", path)
}

func TestStoreKeepsOutOfFoldersOfOthers(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	if err := os.Chmod(s.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := s.put("k", []byte("x")); err == nil || !strings.Contains(err.Error(), "others may write") {
		t.Errorf("kept in a folder that anybody may write to: %v", err)
	}
}

func TestStoreForgetsWhatWasNotUsed(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "programs")}
	program := bytes.Repeat([]byte("x"), 1000)
	old := time.Now().Add(-time.Hour)
	for i, k := range []string{"a", "b", "c"} {
		if err := s.put(k, program); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(s.path(k), old, old.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(s.Dir, "notes.txt") // not ours to remove
	if err := os.WriteFile(other, program, 0o600); err != nil {
		t.Fatal(err)
	}
	s.get("a") // the oldest is used again
	s.Limit = 3500
	if err := s.put("d", program); err != nil {
		t.Fatal(err)
	}
	for k, kept := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if _, err := os.Stat(s.path(k)); (err == nil) != kept {
			t.Errorf("%s is kept: %v, want %v", k, err == nil, kept)
		}
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

func TestKeyHasNoSeams(t *testing.T) {
	keys := map[string]bool{}
	for _, parts := range [][]string{{"ab", "c"}, {"a", "bc"}, {"abc"}, {"abc", ""}, {"", "abc"}, {"2:ab", "c"}} {
		var b [][]byte
		for _, p := range parts {
			b = append(b, []byte(p))
		}
		keys[key(b...)] = true
	}
	if len(keys) != 6 {
		t.Errorf("six lists of parts have %d names", len(keys))
	}
}

func TestProcessor(t *testing.T) {
	x86 := "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 85\ncpu MHz\t\t: 2100.0\napicid\t\t: 0\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nflags\t\t: other\n"
	arm := "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"
	for name, c := range map[string]struct{ text, want string }{
		"x86": {x86, "vendor_id: GenuineIntel\nmodel: 85\nflags: fpu avx2"},
		"arm": {arm, "Features: fp asimd\nCPU implementer: 0x41\nCPU part: 0xd0c"},
	} {
		if got, err := processor(c.text); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
	if got, err := processor("processor: 0\nmodel: 85\n"); err == nil {
		t.Errorf("a processor of unknown abilities is described as %q", got)
	}
}
