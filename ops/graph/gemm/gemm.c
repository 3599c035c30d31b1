//go:build cgo && linux && amd64

#include "gemm.h"

#include <immintrin.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "kernel.h"

// A product is cut into blocks of rows, each of which is a job. Tiles of A are read as they are where its rows lie in order and there are eight; the others are
// packed first. Then every strip of columns takes all of them
// with a packed strip of B, which stays in the second cache, whether it is packed then or lay packed before. Packing and strips are units of work that threads take one after the other.

enum {
	DEPTH = 768,    // of a block of B in the second cache: 48 columns of it are 147 kB
	ROOM = 2 << 20, // numbers of A that are packed at a time, 8 MB
	PACK_TILES = 4, // tiles of A packed in a unit
	MOST_THREADS = 256,
};

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t over(int64_t a, int64_t b) { return (a + b - 1) / b; }

typedef struct {
	mseg_product p; // the block: a and c at its first row, m its rows
	int64_t a_stride, b_stride;
	int64_t tiles;   // of rows
	int64_t whole;   // of which so many are read as they are
	int64_t strips;  // of columns
	int64_t parts;   // into which the rows of a strip are cut
	int64_t packing; // units of packing, before all others
	int64_t units;
	float *a; // packed: for each block of depth every tile that is not read as it is
	float *b; // packed strips, one for each thread
	int64_t b_size;
	atomic_llong next, packed, done;
	atomic_int threads; // that have come
	atomic_int holders; // who may still look at the job
} job;

static void let_go(job *j) {
	if (atomic_fetch_sub(&j->holders, 1) != 1) return;
	free(j->a);
	free(j->b);
	free(j);
}

// packed is where a tile lies of which k numbers are before the block of some depth.
static inline float *packed(const job *j, int64_t tile, int64_t k, int64_t depth) {
	return j->a + MSEG_ROWS * (k * (j->tiles - j->whole) + (tile - j->whole) * depth);
}

// pack lays some tiles of A out.
static void pack(const job *j, int64_t first, int64_t end) {
	const mseg_product *p = &j->p;
	for (int64_t k = 0; k < p->k; k += DEPTH) {
		int64_t depth = least(DEPTH, p->k - k);
		for (int64_t t = first; t < end; t++) {
			int64_t row = t * MSEG_ROWS;
			const float *tile = p->a + (p->a_transposed ? k * j->a_stride + row : row * j->a_stride + k);
			mseg_pack(packed(j, t, k, depth), MSEG_ROWS, tile, j->a_stride, p->a_transposed, least(MSEG_ROWS, p->m - row), depth);
		}
	}
}

// Strips of columns are multiples of 16 wide, of much the same width and at most 48. They depend on the number of columns alone, so that B can be packed before.
static inline int64_t strips(int64_t n) { return over(n, MSEG_COLUMNS); }

// column is where a strip begins.
static inline int64_t column(int64_t n, int64_t strip) { return 16 * (over(n, 16) * strip / strips(n)); }

void mseg_pack_right(float *out, const float *b, int64_t n, int64_t k, bool transposed) {
	for (int64_t s = 0; s < strips(n); s++) {
		int64_t left = column(n, s), width = column(n, s + 1) - left;
		mseg_pack(out + left * k, width, b + (transposed ? left * k : left), transposed ? k : n, !transposed, width, k);
	}
}

// ahead is the block of B that a thread will probably read after that of a strip and k.
static mseg_ahead ahead(const job *j, int64_t strip, int64_t k) {
	const mseg_product *p = &j->p;
	k += DEPTH;
	if (k >= p->k) {
		k = 0;
		if (j->parts == 1) strip += atomic_load_explicit(&j->threads, memory_order_relaxed); // threads take strips in turn
	}
	if (strip >= j->strips) return (mseg_ahead){0};
	int64_t first = column(p->n, strip), width = column(p->n, strip + 1) - first, columns = least(width, p->n - first), depth = least(DEPTH, p->k - k);
	if (p->b_packed) return (mseg_ahead){(const char *)(p->b + first * p->k + k * width), depth * width / 16, 0, 0, 1};
	if (p->b_transposed) return (mseg_ahead){(const char *)(p->b + first * j->b_stride + k), over(depth, 16), j->b_stride * sizeof(float), 0, columns};
	return (mseg_ahead){(const char *)(p->b + k * j->b_stride + first), over(columns, 16), j->b_stride * sizeof(float), 0, depth};
}

// multiply computes some tiles of a strip of C, for all of k.
static void multiply(const job *j, float *room, int64_t strip, int64_t first, int64_t end) {
	const mseg_product *p = &j->p;
	int64_t left = column(p->n, strip), width = column(p->n, strip + 1) - left, columns = least(width, p->n - left);
	for (int64_t k = 0; k < p->k; k += DEPTH) {
		int64_t depth = least(DEPTH, p->k - k);
		const float *b = room;
		if (p->b_packed) b = p->b + left * p->k + k * width;
		else mseg_pack(room, width, p->b + (p->b_transposed ? left * j->b_stride + k : k * j->b_stride + left), j->b_stride, !p->b_transposed, columns, depth);
		mseg_ahead next = ahead(j, strip, k);
		for (int64_t t = first; t < end; t++) {
			int64_t row = t * MSEG_ROWS;
			bool as_is = t < j->whole;
			const float *a = as_is ? p->a + row * j->a_stride + k : packed(j, t, k, depth);
			mseg_tile(a, as_is ? j->a_stride : 0, b, depth, width, p->c + row * p->n + left, p->n, least(MSEG_ROWS, p->m - row), columns, k == 0, &next);
		}
	}
}

// await lets the others finish what they have begun, which is a matter of microseconds.
static void await(atomic_llong *count, int64_t wanted) {
	for (int turns = 0; atomic_load_explicit(count, memory_order_acquire) < wanted; turns++) {
		if (turns < 4096) _mm_pause();
		else sched_yield();
	}
}

static void work(job *j) {
	int64_t unit = atomic_fetch_add(&j->next, 1);
	if (unit >= j->units) return;
	float *b = j->b + atomic_fetch_add(&j->threads, 1) * j->b_size;
	for (; unit < j->units; unit = atomic_fetch_add(&j->next, 1)) {
		if (unit < j->packing) {
			pack(j, j->whole + unit * PACK_TILES, least(j->tiles, j->whole + (unit + 1) * PACK_TILES));
			atomic_fetch_add_explicit(&j->packed, 1, memory_order_release);
		} else {
			await(&j->packed, j->packing);
			int64_t strip = (unit - j->packing) / j->parts, part = (unit - j->packing) % j->parts;
			multiply(j, b, strip, j->tiles * part / j->parts, j->tiles * (part + 1) / j->parts);
		}
		atomic_fetch_add_explicit(&j->done, 1, memory_order_release);
	}
}

static void help(void *data) {
	work(data);
	let_go(data);
}

static bool run(mseg_product p, int64_t a_stride, int threads, mseg_schedule schedule, void *pool) {
	job *j = calloc(1, sizeof *j);
	if (!j) return false;
	j->p = p;
	j->a_stride = a_stride;
	j->b_stride = p.b_transposed ? p.k : p.n;
	j->tiles = over(p.m, MSEG_ROWS);
	j->strips = strips(p.n);
	j->parts = 1;
	// Few strips for many threads are cut across, at the price of packing B again for each part.
	if (threads > 1 && j->strips < 4 * threads) j->parts = least(over(4 * threads, j->strips), over(j->tiles, 4));
	j->whole = p.a_transposed ? 0 : p.m / MSEG_ROWS;
	j->packing = over(j->tiles - j->whole, PACK_TILES);
	j->units = j->packing + j->strips * j->parts;
	threads = least(threads, j->units);
	j->b_size = p.b_packed ? 16 : least(DEPTH, p.k) * MSEG_COLUMNS;
	j->a = aligned_alloc(64, over(sizeof(float) * (j->tiles - j->whole) * MSEG_ROWS * p.k + 64, 64) * 64);
	j->b = aligned_alloc(64, sizeof(float) * j->b_size * threads);
	atomic_store(&j->holders, 1);
	if (!j->a || !j->b) {
		let_go(j);
		return false;
	}
	for (int t = 1; t < threads; t++) {
		atomic_fetch_add(&j->holders, 1);
		if (!schedule(pool, help, j)) {
			let_go(j);
			break;
		}
	}
	work(j);
	await(&j->done, j->units);
	let_go(j);
	return true;
}

bool mseg_multiply(const mseg_product *p, int threads, mseg_schedule schedule, void *pool) {
	if (threads > MOST_THREADS) threads = MOST_THREADS;
	int64_t a_stride = p->a_transposed ? p->m : p->k;
	int64_t rows = over(over(p->m, over(p->m * p->k, ROOM)), MSEG_ROWS) * MSEG_ROWS;
	for (int64_t row = 0; row < p->m; row += rows) {
		mseg_product b = *p;
		b.a += p->a_transposed ? row : row * a_stride;
		b.c += row * p->n;
		b.m = least(rows, p->m - row);
		if (!run(b, a_stride, threads, schedule, pool)) return false;
	}
	return true;
}
