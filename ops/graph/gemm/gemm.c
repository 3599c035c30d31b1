//go:build cgo && linux && amd64

#include "job.h"
#include "winograd.h"

// A product is cut into blocks of rows, each of which is a job. Tiles of A are read as they are where its rows lie in order and there are eight; the others are
// packed first. Then every strip of columns takes all of them with a packed strip of B, which stays in the second cache, whether it is packed then or lay packed
// before. Packing and strips are units of work that threads take one after the other (job.c).

enum {
	ROOM = 2 << 20, // numbers of A that are packed at a time, 8 MB
};

// packed is where a tile lies of which k numbers are before the block of some depth.
static inline float *packed(const job *j, int64_t tile, int64_t k, int64_t depth) {
	return j->a + MSEG_ROWS * (k * (j->tiles - j->whole) + (tile - j->whole) * depth);
}

// pack lays some tiles of A out.
static void pack(const job *j, int64_t first, int64_t end) {
	const mseg_product *p = &j->p;
	for (int64_t k = 0; k < p->k; k += MSEG_DEPTH) {
		int64_t depth = least(MSEG_DEPTH, p->k - k);
		for (int64_t t = first; t < end; t++) {
			int64_t row = t * MSEG_ROWS;
			const float *tile = p->a + (p->a_transposed ? k * j->a_stride + row : row * j->a_stride + k);
			mseg_pack(packed(j, t, k, depth), MSEG_ROWS, tile, j->a_stride, p->a_transposed, least(MSEG_ROWS, p->m - row), depth);
		}
	}
}

void mseg_pack_right(float *out, const float *b, int64_t n, int64_t k, bool transposed) {
	for (int64_t s = 0; s < strips(n); s++) {
		int64_t left = column(n, s), width = column(n, s + 1) - left;
		mseg_pack(out + left * k, width, b + (transposed ? left * k : left), transposed ? k : n, !transposed, width, k);
	}
}

// ahead is the block of B that a thread will probably read after that of a strip and k.
static mseg_ahead ahead(const job *j, int64_t strip, int64_t k) {
	const mseg_product *p = &j->p;
	if (!following(j, p->k, &strip, &k)) return (mseg_ahead){0};
	int64_t first = column(p->n, strip), width = column(p->n, strip + 1) - first, columns = least(width, p->n - first), depth = least(MSEG_DEPTH, p->k - k);
	if (p->b_packed) return (mseg_ahead){(const char *)(p->b + first * p->k + k * width), depth * width / 16, 0, 0, false, 1};
	if (p->b_transposed) return (mseg_ahead){(const char *)(p->b + first * j->b_stride + k), over(depth, 16), j->b_stride * sizeof(float), 0, false, columns};
	return (mseg_ahead){(const char *)(p->b + k * j->b_stride + first), over(columns, 16), j->b_stride * sizeof(float), 0, false, depth};
}

// multiply computes some tiles of a strip of C, for all of k.
static void multiply(const job *j, float *room, int64_t strip, int64_t first, int64_t end) {
	const mseg_product *p = &j->p;
	int64_t left = column(p->n, strip), width = column(p->n, strip + 1) - left, columns = least(width, p->n - left);
	for (int64_t k = 0; k < p->k; k += MSEG_DEPTH) {
		int64_t depth = least(MSEG_DEPTH, p->k - k);
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

static bool run(mseg_product p, int64_t a_stride, int threads, mseg_schedule schedule, void *pool) {
	job j = {.p = p, .a_stride = a_stride, .b_stride = p.b_transposed ? p.k : p.n, .tiles = over(p.m, MSEG_ROWS), .strips = strips(p.n), .prepare = pack, .multiply = multiply};
	j.whole = p.a_transposed ? 0 : p.m / MSEG_ROWS;
	mseg_cut(&j, threads);
	j.a_size = (j.tiles - j.whole) * MSEG_ROWS * p.k;
	j.b_size = p.b_packed ? 16 : least(MSEG_DEPTH, p.k) * MSEG_COLUMNS;
	return mseg_run(&j, threads, schedule, pool);
}

bool mseg_multiply(const mseg_product *p, int threads, mseg_schedule schedule, void *pool) {
	if (threads > MSEG_MOST_THREADS) threads = MSEG_MOST_THREADS;
	if (p->winograd) return mseg_multiply_winograd(p, threads, schedule, pool);
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
