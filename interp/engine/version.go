package engine

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Release is the version of the program.
const Release = "0.1.0"

// Version names the program, the compiler and the libraries that compute numbers.
func Version() string {
	s := fmt.Sprintf("mseg %s, %s", Release, runtime.Version())
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return s
	}
	for _, d := range info.Deps {
		switch d.Path {
		case "github.com/gomlx/gomlx", "github.com/gomlx/compute", "github.com/gomlx/go-xla":
			s += fmt.Sprintf(", %s %s", d.Path[len("github.com/gomlx/"):], d.Version)
		}
	}
	return s
}
