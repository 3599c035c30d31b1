// A product as work for threads: how it is cut, and how threads take the pieces.
#pragma once
#include <stdatomic.h>

#include "gemm.h"
#include "kernel.h"

enum {
	MSEG_DEPTH = 768,    // of a block of B in the second cache: 48 columns of it are 147 kB
	MSEG_PACK_TILES = 4, // tiles of A prepared in a unit
	MSEG_MOST_THREADS = 256,
};

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t over(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Strips of columns are multiples of 16 wide, of much the same width and at most 48. They depend on the number of columns alone, so that B can be packed before.
static inline int64_t strips(int64_t n) { return over(n, MSEG_COLUMNS); }

// column is where a strip begins.
static inline int64_t column(int64_t n, int64_t strip) { return 16 * (over(n, 16) * strip / strips(n)); }

// job is the work. Units that prepare tiles of A come before all others; then every unit computes some tiles of a strip of columns.
typedef struct job {
	mseg_product p;
	int64_t a_stride, b_stride;
	int64_t tiles;   // of rows
	int64_t whole;   // of which so many are read as they are
	int64_t strips;  // of columns
	int64_t parts;   // into which the rows of a strip are cut
	int64_t packing; // units of preparation
	int64_t units;
	int64_t a_size;  // numbers of a
	int64_t b_size;  // and of a thread's part of b
	float *a;        // what is prepared
	float *b;        // room of each thread
	void (*prepare)(const struct job *j, int64_t first, int64_t end);                               // tiles of A
	void (*multiply)(const struct job *j, float *room, int64_t strip, int64_t first, int64_t end); // tiles of a strip
	atomic_llong next, packed, done;
	atomic_int threads; // that have come
	atomic_int holders; // who may still look at the job
} job;

// following goes on from a block of a strip to the one of B that a thread will probably read next, of a depth in all; there may be none.
static inline bool following(const job *j, int64_t depth, int64_t *strip, int64_t *from) {
	*from += MSEG_DEPTH;
	if (*from >= depth) {
		*from = 0;
		if (j->parts == 1) *strip += atomic_load_explicit(&j->threads, memory_order_relaxed); // threads take strips in turn
	}
	return *strip < j->strips;
}

// mseg_cut sets the units of a job from its product, tiles, whole and strips.
void mseg_cut(job *j, int threads);

// mseg_run does a job on this thread and up to threads - 1 others. It returns false if there is no memory.
bool mseg_run(const job *wanted, int threads, mseg_schedule schedule, void *pool);
