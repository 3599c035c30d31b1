// Package gemm multiplies matrices of float32 on processors with AVX-512 and lets XLA's programs for the CPU call it.
//
// Nearly all the time of a vision transformer goes into products of some hundred rows (tokens) with matrices of weights that are
// wide and deep. There XLA's own product reaches 80 to 85 % of what the processor can multiply and add, this one 94 to 97 %. For other products XLA's
// is as good or better (small ones, batches of them as in attention, large maps of few channels), so it keeps them: see worthwhile.
//
// The product is the usual one in blocks: up to 48 columns of B are packed so that the inner loop reads them in order, beside eight rows of A as they stand or, if A is
// transposed, packed as well, and
// a tile of 8 by 48 sums stays in registers (kernel.c). A strip of 48 columns is one unit of work for a thread (gemm.c); while its tiles
// are computed, what will be packed next is fetched into the cache. Every sum is taken in order of depth whatever the number of threads is, so that, other than XLA's,
// its bits do not depend on it.
//
// Weights that do not change may come packed (TakePacked, Layout): then nothing is packed in a call, and no bit differs. Large products with such weights
// are computed in quarters, seven products instead of eight (winograd.c), whether they are packed yet or not.
//
// GoMLX and go-xla know no functions of others. So the program's text is changed on its way to XLA's compiler, where package executable looks for a kept program: a product
// becomes a call of "mseg.product" (rewrite.go), which has been made known to the plugin before (ffi.c, by XLA's interface for
// such functions). Threads are those of XLA.
package gemm
