//go:build !unix

package bench

// processTime is unknown here.
func processTime() float64 { return -1 }
