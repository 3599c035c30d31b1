// Package nearby finds test data that lie next to the repository, in ../shared seen from its root, and are not part of it. It is for tests only.
package nearby

import (
	"os"
	"path/filepath"
	"testing"
)

// Path is a file or folder below ../shared. Where the folder of its kind (golden, data) is absent the test is skipped with a
// plain message; where only the file is missing the path is returned, so that reading it fails.
func Path(t testing.TB, kind string, elements ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = filepath.Dir(dir)
	}
	root := filepath.Join(filepath.Dir(dir), "shared", kind)
	if _, err := os.Stat(root); err != nil {
		t.Skipf("the test data are not beside the repository: no folder %s", root)
	}
	return filepath.Join(append([]string{root}, elements...)...)
}
