package executable

import (
	"os"
	"path/filepath"
)

// Forge is what a file of the store holds for the given contents.
func Forge(program []byte) ([]byte, error) {
	dir, err := os.MkdirTemp("", "mseg-forge-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s := Store{Dir: filepath.Join(dir, "programs")}
	if err := s.put("k", program); err != nil {
		return nil, err
	}
	return os.ReadFile(s.path("k"))
}
