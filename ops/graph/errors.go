package graph

import (
	"errors"
	"fmt"
	"strings"
)

// caught runs f and returns its panic as an error. GoMLX raises faults of
// graph construction and of execution as panics; this is the boundary at which
// they become errors.
func caught(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case buildFault:
			err = r.error
		case error:
			err = firstLine(r)
		default:
			err = firstLine(fmt.Errorf("%v", r))
		}
	}()
	f()
	return nil
}

// firstLine keeps the first line of an error's message: the rest of what GoMLX
// and PJRT say is stack traces and whole tensors.
func firstLine(err error) error {
	if err == nil {
		return nil
	}
	message := err.Error()
	line, _, _ := strings.Cut(message, "\n")
	if line == message {
		return err
	}
	return errors.New(strings.TrimSpace(line))
}
