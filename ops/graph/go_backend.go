package graph

import (
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
)

// interpreter is GoMLX's own backend. Operations run one after the other
// (each may use all cores): with the default configuration independent matrix
// products can block each other for ever, and a fault inside an operation ends
// the process instead of coming back as an error.
var interpreter = sync.OnceValue(func() compute.Backend {
	b, err := gobackend.New("ops_sequential")
	if err != nil {
		panic(err)
	}
	return b
})
