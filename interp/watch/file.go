package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	settle = 100 * time.Millisecond // quiet time after an event: editors save in several steps
	most   = time.Second            // but no longer than this after the first
	rearm  = 500 * time.Millisecond // between attempts to watch a folder that was replaced
)

// saves tells of possible changes of a file until the context ends. Several events shortly after one another are told once; what has really changed
// is for the reader to find out.
func saves(ctx context.Context, path string, poll time.Duration) (<-chan struct{}, error) {
	out := make(chan struct{}, 1)
	tell := func() {
		select {
		case out <- struct{}{}:
		default: // told already, not yet heard
		}
	}
	if poll > 0 {
		go pollFile(ctx, path, poll, tell)
		return out, nil
	}
	names, err := places(path)
	if err != nil {
		return nil, err
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, watchError(err)
	}
	dirs := map[string]bool{}
	for _, n := range names {
		dirs[filepath.Dir(n)] = true
	}
	for d := range dirs {
		if err := w.Add(d); err != nil {
			return nil, errors.Join(watchError(err), w.Close())
		}
	}
	go followEvents(ctx, w, names, dirs, tell)
	return out, nil
}

// places are the absolute names under which saves of a file are seen: its own, and where it is a link that of its target.
func places(path string) ([]string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	out := []string{abs}
	if real, err := filepath.EvalSymlinks(abs); err == nil && real != abs {
		out = append(out, real)
	}
	return out, nil
}

func watchError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "no space left") {
		return errors.New("the system's limit of watched folders is reached (fs.inotify.max_user_watches); raise it, or use --poll 1s")
	}
	return fmt.Errorf("cannot watch: %w; --poll 1s looks at the file in intervals instead", err)
}

func followEvents(ctx context.Context, w *fsnotify.Watcher, names []string, dirs map[string]bool, tell func()) {
	defer w.Close()
	quiet := time.NewTimer(0)
	<-quiet.C
	var first time.Time // of the events not told yet
	lost := map[string]bool{}
	again := time.NewTicker(rearm)
	defer again.Stop()
	event := func() {
		now := time.Now()
		if first.IsZero() {
			first = now
		}
		quiet.Reset(max(0, min(settle, most-now.Sub(first))))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if dirs[e.Name] && e.Has(fsnotify.Remove|fsnotify.Rename) { // the folder itself
				lost[e.Name] = true
				event()
				continue
			}
			for _, n := range names {
				// Exact names leave out what editors write beside the file: x~ .x.swp 4913 .#x.
				if e.Name == n && e.Op&^fsnotify.Chmod != 0 {
					event()
				}
			}
		case err, ok := <-w.Errors:
			if !ok {
				return
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) { // some events were not told: look
				event()
			}
		case <-quiet.C:
			first = time.Time{}
			tell()
		case <-again.C:
			for d := range lost {
				if w.Add(d) == nil {
					delete(lost, d)
					event()
				}
			}
		}
	}
}

func pollFile(ctx context.Context, path string, every time.Duration, tell func()) {
	state := func() (s [2]int64) {
		if st, err := os.Stat(path); err == nil {
			s = [2]int64{st.Size(), st.ModTime().UnixNano()}
		}
		return s
	}
	old := state()
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if now := state(); now != old {
				old = now
				tell()
			}
		}
	}
}
