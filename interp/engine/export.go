package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mseg-lang/mseg/interp/store"
	"github.com/mseg-lang/mseg/lang/ir"
)

// manifestName is the file of a report's folder that says what mseg wrote there. What an earlier report left behind is removed by it, and nothing else: the folder is a user's, who may
// keep notes there.
const manifestName = ".mseg-wrote.json"

// manifest holds the SHA-256 of every file as it was written, by name.
type manifest map[string]string

// reportFolder is the folder of a report in the output folder.
func (e *Engine) reportFolder(n *ir.Node) string {
	out := e.cfg.Out
	if out == "" {
		out = filepath.Join(e.cfg.Dir, e.name+".out")
	}
	return filepath.Join(out, e.label(n))
}

// export copies a report to its folder, removes what an earlier one wrote there and this one does not have, and returns the path of the page.
func (e *Engine) export(n *ir.Node, r *ReportFiles) (string, error) {
	dir := e.reportFolder(n)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	before, err := readManifest(dir)
	if err != nil {
		return "", err
	}
	content, now := map[string][]byte{}, manifest{}
	for _, name := range sorted(r.Files) {
		if content[name], err = os.ReadFile(r.Files[name]); err != nil {
			return "", err
		}
		now[name] = checksum(content[name])
	}
	// Written down before the files are, so that one of a run that was killed in between is known as well.
	both := manifest{}
	for _, m := range []manifest{before, now} {
		for name, sum := range m {
			both[name] = sum
		}
	}
	if err := both.write(dir); err != nil {
		return "", err
	}
	for _, name := range sorted(content) {
		if err := store.WriteFile(filepath.Join(dir, name), content[name]); err != nil {
			return "", err
		}
	}
	for _, name := range sorted(before) {
		if _, kept := now[name]; kept {
			continue
		}
		if err := removeUntouched(dir, name, before[name]); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "index.html"), now.write(dir)
}

// removeUntouched removes a file that is still what was written; one that a user has changed, replaced or made a folder of stays.
func removeUntouched(dir, name, sum string) error {
	if name != filepath.Base(name) { // no manifest of ours reaches out of its folder
		return nil
	}
	path := filepath.Join(dir, name)
	if info, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if checksum(b) != sum {
		return nil
	}
	return os.Remove(path)
}

func checksum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// readManifest reads what was written to a folder before. Where that is not known, because there is no manifest or somebody has changed it, nothing in the folder counts as ours.
func readManifest(dir string) (manifest, error) {
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var m manifest
	if json.Unmarshal(b, &m) != nil {
		return nil, nil
	}
	return m, nil
}

func (m manifest) write(dir string) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return store.WriteFile(filepath.Join(dir, manifestName), append(b, '\n'))
}
