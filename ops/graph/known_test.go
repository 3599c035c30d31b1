package graph

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestChecksumIsRememberedWhileTheFileStays(t *testing.T) {
	cache := t.TempDir()
	t.Setenv(cacheVar, cache)
	file := filepath.Join(t.TempDir(), "plugin.so")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() string {
		t.Helper()
		sum, err := knownChecksum(file)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	write("one")
	first := ask()
	if want, _ := checksum(file); first != want {
		t.Fatalf("%s is not the checksum %s", first, want)
	}
	if runtime.GOOS == "linux" {
		notes, _ := filepath.Glob(filepath.Join(cache, "plugins", "known", "*"))
		if len(notes) != 1 {
			t.Fatalf("%d notes were written, want 1", len(notes))
		}
		// That the note is believed shows in a note that lies.
		text, err := os.ReadFile(notes[0])
		if err != nil {
			t.Fatal(err)
		}
		lie := strings.Repeat("0", 64)
		if err := os.WriteFile(notes[0], []byte(strings.Replace(string(text), first, lie, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := ask(); got != lie {
			t.Errorf("the note was not used: %s", got)
		}
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // times of files have the grain of the kernel's clock
	write("two")
	if err := os.Chtimes(file, time.Now(), info.ModTime()); err != nil { // as a program would that hides a change
		t.Fatal(err)
	}
	if got, _ := checksum(file); ask() != got {
		t.Error("a changed file of the same size and time has the checksum of the old one")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := knownChecksum(file); err == nil {
		t.Error("a file that is gone has a checksum")
	}
}
