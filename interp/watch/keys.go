package watch

import (
	"bufio"
	"io"
	"strings"
)

// Keys reads words from a terminal, one a line. The channel is closed at the end of the input, and in a job in the background, which cannot read
// and must not be stopped for trying.
func Keys(in io.Reader) <-chan string {
	readInBackground()
	out := make(chan string)
	go func() {
		defer close(out)
		for lines := bufio.NewScanner(in); lines.Scan(); {
			out <- strings.TrimSpace(lines.Text())
		}
	}()
	return out
}
