package graph

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/mseg-lang/mseg/ops/graph/executable"
)

// cacheVar overrides the root of the cache.
const cacheVar = "MSEG_CACHE"

// cacheDir is where plugins are kept: $MSEG_CACHE, or mseg in the user's cache.
func cacheDir() (string, error) {
	if dir := os.Getenv(cacheVar); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for the cache (set %s to a folder): %w", cacheVar, err)
	}
	return filepath.Join(dir, "mseg"), nil
}

// ProgramCache is the folder of the programs that XLA has compiled, with how many they are and the bytes they take.
func ProgramCache() (dir string, programs int, size int64, err error) {
	if dir, err = programDir(); err != nil {
		return "", 0, 0, err
	}
	programs, size, err = executable.Store{Dir: dir}.Size()
	return dir, programs, size, err
}

func programDir() (string, error) {
	dir, err := cacheDir()
	return filepath.Join(dir, "programs"), err
}

// verifyPlugin returns the library's checksum if it is known to be sound: it is
// the one InstallCPU installs, or a child process has opened it and computed
// with it, now or before. The installed library has to be that very one.
func verifyPlugin(path string, installed bool) (sum string, err error) {
	sum, err = knownChecksum(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no PJRT plugin %s; mseg backend install cpu fetches one for --backend xla, and --backend go needs none", path)
	}
	if err != nil {
		return "", fmt.Errorf("PJRT plugin: %w", err)
	}
	if installed && sum != cpuLibrarySHA256 {
		return "", fmt.Errorf("the installed PJRT plugin %s is damaged: its SHA-256 is %s, not %s; install it again or use backend go", path, sum, cpuLibrarySHA256)
	}
	// An unknown flag in XLA_FLAGS ends the process that opens the plugin, so
	// then even a known one is tried first.
	if sum == cpuLibrarySHA256 && !userFlags() {
		return sum, nil
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	note := filepath.Join(cache, "plugins", "probed", sum)
	if _, err := os.Stat(note); err == nil && !userFlags() {
		return sum, nil
	}
	said, err := probeInChild(path)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(note), 0o755); err != nil {
		return "", err
	}
	return sum, renameio.WriteFile(note, []byte(said), 0o644)
}

// checksum is the SHA-256 of a regular file in hexadecimal.
func checksum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !stat.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ProbeFlag is the argument with which Open starts this program again to try a
// plugin: a main function that finds it as the first argument must return
// ProbeMain of the second.
const ProbeFlag = "--probe-plugin"

// ProbeMain opens the plugin at path, computes with it and reports on standard
// output. It returns the exit status. A library that is no good may end the
// process, which is why this is done in one of its own.
func ProbeMain(path string) int {
	if err := probe(os.Stdout, path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// knownFlags says whether a plugin knows these options. A process of its own tries it, once.
func knownFlags(path, sum, flags string) (bool, error) {
	cache, err := cacheDir()
	if err != nil {
		return false, err
	}
	of := sha256.Sum256([]byte(flags))
	note := filepath.Join(cache, "plugins", "probed", sum+"-"+hex.EncodeToString(of[:8]))
	if said, err := os.ReadFile(note); err == nil {
		return string(said) == flags, nil
	}
	answer := flags
	if _, err := probeInChild(path, flagsVar+"="+flags); err != nil {
		if _, err := probeInChild(path, flagsVar+"="); err != nil {
			return false, nil // it is not the options: a device that has no room now, say
		}
		answer = ""
	}
	if err := os.MkdirAll(filepath.Dir(note), 0o755); err != nil {
		return false, err
	}
	return answer == flags, renameio.WriteFile(note, []byte(answer), 0o644)
}

// probeInChild tries a plugin, with some more environment variables.
func probeInChild(path string, env ...string) (said string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("PJRT plugin %s cannot be tried in a process of its own: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, self, ProbeFlag, path)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), env...)
	err = cmd.Run()
	if err == nil && strings.HasPrefix(stdout.String(), "PJRT ") {
		return stdout.String(), nil
	}
	cause := lastLine(stderr.String())
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		cause = "it gave no answer within a minute"
	case errors.As(err, &exit) && exit.ExitCode() == 1 && cause != "":
	case err != nil:
		cause = fmt.Sprintf("the process that opened it ended with %v; the file is damaged, too old, or not a PJRT plugin, or XLA_FLAGS holds a flag it does not know", err)
	default:
		cause = "the process that opened it gave no answer"
	}
	return "", fmt.Errorf("PJRT plugin %s is not usable: %s", path, cause)
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
