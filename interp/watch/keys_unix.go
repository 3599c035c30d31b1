//go:build unix

package watch

import (
	"os/signal"
	"syscall"
)

// readInBackground lets reads from a terminal fail in the background, where the system would stop the program.
func readInBackground() { signal.Ignore(syscall.SIGTTIN) }
