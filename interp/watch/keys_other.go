//go:build !unix

package watch

// readInBackground has nothing to do where terminals do not stop programs.
func readInBackground() {}
