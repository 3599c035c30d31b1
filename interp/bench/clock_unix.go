//go:build unix

package bench

import "syscall"

// processTime is the CPU seconds of this process so far.
func processTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return -1
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// childTime is the CPU seconds of all children that have ended.
func childTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// peakOf is the largest memory of a process that has ended, in MiB.
func peakOf(usage any) int {
	if u, ok := usage.(*syscall.Rusage); ok {
		return int(u.Maxrss >> 10)
	}
	return 0
}
