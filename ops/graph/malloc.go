//go:build cgo && linux

package graph

// XLA takes room for intermediate results anew in every call and gives it back at the end. As the C library is set by default, it returns large
// pieces to the system, which then clears every page of them again for the next call: a tenth of the CPU time of MedSegX's training step,
// a quarter of a decoder's. So it is told to keep what is freed. Threads share one arena: those of their own would ask the system for large
// pieces whatever the settings are, and an arena is only chosen so before there are threads, which is why this happens as the program is
// loaded.

// #include <malloc.h>
// #ifdef __GLIBC__
// __attribute__((constructor)) static void keep_memory(void) {
// 	mallopt(M_ARENA_MAX, 1);
// 	mallopt(M_MMAP_MAX, 0);
// 	mallopt(M_TOP_PAD, 64 << 20);
// 	mallopt(M_TRIM_THRESHOLD, 2147483647);
// }
// static void give_back_memory(void) { malloc_trim(0); }
// #else
// static void give_back_memory(void) {}
// #endif
import "C"

// giveBackMemory returns what is free to the system: a program has been freed and its room may not be needed again.
func giveBackMemory() { C.give_back_memory() }
