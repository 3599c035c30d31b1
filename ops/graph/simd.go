//go:build amd64 && goexperiment.simd

package graph

// simd says whether the interpreter's matrix product was built with vector
// instructions.
const simd = true
