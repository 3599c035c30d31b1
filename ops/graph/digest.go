package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"sync"
)

// Digest is the identity of the tensors of a set that keep names: SHA-256 over
// names, shapes and the bits of all values. Their order in the set is no part of
// it.
func Digest(p *Params, keep func(name string) bool) string {
	var names []string
	for _, name := range p.names {
		if keep(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	sums := make([][sha256.Size]byte, len(names))
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, name := range names {
		wait.Add(1)
		slots <- struct{}{}
		go func() {
			defer wait.Done()
			sums[i] = sha256.Sum256(bytesOf(p.entries[name].tensor.Data))
			<-slots
		}()
	}
	wait.Wait()
	h := sha256.New()
	for i, name := range names {
		fmt.Fprintf(h, "%q %v %x\n", name, p.entries[name].tensor.Dims, sums[i])
	}
	return hex.EncodeToString(h.Sum(nil))
}
