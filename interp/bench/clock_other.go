//go:build !unix

package bench

// processTime is unknown here.
func processTime() float64 { return -1 }

func childTime() float64 { return 0 }

func peakOf(any) int { return 0 }
