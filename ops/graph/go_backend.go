package graph

import (
	"reflect"
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

// inOrder compiles a graph. Where asked for, the interpreter will run its nodes
// in the order in which they were made, instead of those farthest from a result
// first: only then is what is computed again for a gradient computed just before
// it is needed. Numbers do not depend on the order. The interpreter has an option
// for it, but one for all graphs, and tensors of one interpreter mean nothing
// to another; so its field is set for the time of one compilation.
func (b *Backend) inOrder(order bool, compile func() error) error {
	if b.kind != "go" {
		return compile()
	}
	scheduling.Lock()
	defer scheduling.Unlock()
	if order {
		strategy := schedulingOf(b.engine)
		before := strategy.Int()
		strategy.SetInt(creationOrder())
		defer strategy.SetInt(before)
	}
	return compile()
}

var scheduling sync.Mutex

func schedulingOf(engine compute.Backend) reflect.Value {
	return reflect.ValueOf(engine).Elem().FieldByName("SchedulingStrategy")
}

// creationOrder is the value of the option creation_order.
var creationOrder = sync.OnceValue(func() int64 {
	b, err := gobackend.New("ops_sequential,creation_order")
	if err != nil {
		panic(err)
	}
	return schedulingOf(b).Int()
})
