//go:build cgo && linux && amd64

#include "winograd.h"

#include <immintrin.h>
#include <string.h>

#include "job.h"

// One level of Strassen's algorithm (V. Strassen, Gaussian elimination is not optimal, Numerische Mathematik 13, 1969) in Winograd's variant (S. Winograd, On
// multiplication of 2 × 2 matrices, Linear Algebra and its Applications 4, 1971; written as in N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
// SIAM 2002, section 23.1): with the matrices in quarters, seven products instead of eight, and fifteen sums.
//
//   S1 = A21 + A22   T1 = B12 - B11   P1 = A11 B11   P5 = S1 T1   C11 = P1 + P2
//   S2 = S1 - A11    T2 = B22 - T1    P2 = A12 B21   P6 = S2 T2   C12 = U + P5 + P3       U = P1 + P6
//   S3 = A11 - A21   T3 = B22 - B12   P3 = S4 B22    P7 = S3 T3   C21 = U + P7 - P4
//   S4 = A12 - S2    T4 = T2 - B21    P4 = A22 T4                 C22 = U + P7 + P5
//
// The four S are made first, a few rows in a unit of work. A strip of 48 columns of the left half of B goes with the same columns of the right half: their seven right
// sides lie side by side for every block of depth, either since they were packed before or in the thread's room, and are made by the same code (sums). The
// products of a strip stay in the second cache, beside a block of B, until they are added up into the four quarters of C. Every sum is taken in the same order
// whatever the number of threads is and wherever the right sides come from, so that no bit depends on it.

#define AVX512 __attribute__((target("avx512f")))

enum {
	PRODUCTS = 7,
	HEADER = 16, // numbers before what is packed
};

bool mseg_halves(const mseg_product *p) {
	return !p->a_transposed && p->m > 0 && p->n > 0 && p->k > 0 && p->m % (2 * MSEG_ROWS) == 0 && p->n % 32 == 0 && p->k % 32 == 0;
}

// header says where packed quarters lie.
typedef struct {
	char kind[16];
	const float *at;
	int64_t n, k;
} header;

static header described(const float *packed, int64_t n, int64_t k) { return (header){"mseg.quarters", packed, n, k}; }

int64_t mseg_quarters(int64_t n, int64_t k) { return HEADER + PRODUCTS * (n / 2) * (k / 2); }

bool mseg_are_quarters(const float *packed, int64_t n, int64_t k) {
	header h = described(packed, n, k);
	return (uintptr_t)packed % 64 == 0 && memcmp(packed, &h, sizeof h) == 0;
}

// sums makes the seven right sides of a block, size numbers each: B11, B21, B22, T4, T1, T2 and T3, of the packed quarters.
AVX512 static void sums(float *at, int64_t size) {
	for (int64_t i = 0; i < size; i += 16, at += 16) {
		__m512 b11 = _mm512_load_ps(at), b21 = _mm512_load_ps(at + size), b22 = _mm512_load_ps(at + 2 * size), b12 = _mm512_load_ps(at + 6 * size);
		__m512 t1 = _mm512_sub_ps(b12, b11), t2 = _mm512_sub_ps(b22, t1);
		_mm512_store_ps(at + 3 * size, _mm512_sub_ps(t2, b21));
		_mm512_store_ps(at + 4 * size, t1);
		_mm512_store_ps(at + 5 * size, t2);
		_mm512_store_ps(at + 6 * size, _mm512_sub_ps(b22, b12));
	}
}

// quarter is where the numbers of a quarter begin that are some columns and some depth behind its first.
static const float *quarter(const float *b, int64_t stride, bool transposed, int64_t depth, int64_t column) { return b + (transposed ? column * stride + depth : depth * stride + column); }

// right makes the seven right sides of a strip of columns (left to left + width of a half) and a block of depth.
static void right(float *out, const float *b, int64_t n, int64_t k, bool transposed, int64_t left, int64_t width, int64_t from, int64_t depth) {
	int64_t stride = transposed ? k : n, size = width * depth;
	static const struct { int place, below, beside; } quarters[] = {{0, 0, 0}, {1, 1, 0}, {2, 1, 1}, {6, 0, 1}};
	for (int q = 0; q < 4; q++)
		mseg_pack(out + quarters[q].place * size, width, quarter(b, stride, transposed, from + quarters[q].below * k / 2, left + quarters[q].beside * n / 2), stride, !transposed, width, depth);
	sums(out, size);
}

void mseg_pack_quarters(float *out, const float *b, int64_t n, int64_t k, bool transposed) {
	header h = described(out, n, k);
	memset(out, 0, HEADER * sizeof *out);
	memcpy(out, &h, sizeof h);
	out += HEADER;
	for (int64_t s = 0; s < strips(n / 2); s++) {
		int64_t left = column(n / 2, s), width = column(n / 2, s + 1) - left;
		for (int64_t from = 0; from < k / 2; from += MSEG_DEPTH) {
			int64_t depth = least(MSEG_DEPTH, k / 2 - from);
			right(out, b, n, k, transposed, left, width, from, depth);
			out += PRODUCTS * width * depth;
		}
	}
}

// prepare makes S4, S1, S2 and S3 of some tiles' rows, each as an array of half the rows and half the depth of A.
AVX512 static void prepare(const job *j, int64_t first, int64_t end) {
	int64_t k = j->p.k, half = k / 2, below = j->p.m / 2 * k, size = j->p.m / 2 * half;
	for (int64_t row = first * MSEG_ROWS; row < end * MSEG_ROWS; row++) {
		const float *in = j->p.a + row * k;
		float *out = j->a + row * half;
		for (int64_t i = 0; i < half; i += 16, in += 16, out += 16) {
			__m512 a11 = _mm512_loadu_ps(in), a12 = _mm512_loadu_ps(in + half), a21 = _mm512_loadu_ps(in + below), a22 = _mm512_loadu_ps(in + below + half);
			__m512 s1 = _mm512_add_ps(a21, a22), s2 = _mm512_sub_ps(s1, a11);
			_mm512_store_ps(out, _mm512_sub_ps(a12, s2));
			_mm512_store_ps(out + size, s1);
			_mm512_store_ps(out + 2 * size, s2);
			_mm512_store_ps(out + 3 * size, _mm512_sub_ps(a11, a21));
		}
	}
}

// left_side is the left side of a product, and how far its rows are apart.
static const float *left_side(const job *j, int product, int64_t *stride) {
	int64_t k = j->p.k, half = k / 2, size = j->p.m / 2 * half;
	*stride = k;
	switch (product) {
	case 0: return j->p.a;
	case 1: return j->p.a + half;
	case 3: return j->p.a + j->p.m / 2 * k + half;
	}
	*stride = half;
	return j->a + (product == 2 ? 0 : product - 3) * size;
}

// ahead is what a thread will probably read after a product's block of B, of which a block of some width and depth is next.
static mseg_ahead ahead(const job *j, int product, const float *behind, int64_t strip, int64_t from) {
	const mseg_product *p = &j->p;
	bool last = product == PRODUCTS - 1;
	if ((!p->b_packed || last) && !following(j, p->k / 2, &strip, &from)) return (mseg_ahead){0};
	int64_t left = column(p->n / 2, strip), width = column(p->n / 2, strip + 1) - left, depth = least(MSEG_DEPTH, p->k / 2 - from);
	if (p->b_packed) {
		if (last) behind = p->b + HEADER + PRODUCTS * (left * (p->k / 2) + from * width);
		return (mseg_ahead){(const char *)behind, depth * width / 16, 0, 0, true, 1};
	}
	// One quarter of what will be packed with each of the first products.
	if (product >= 4) return (mseg_ahead){0};
	const float *at = quarter(p->b, j->b_stride, p->b_transposed, from + product % 2 * (p->k / 2), left + product / 2 * (p->n / 2));
	int64_t length = p->b_transposed ? depth : width;
	return (mseg_ahead){(const char *)at, over(length, 16), j->b_stride * sizeof(float), 0, true, p->b_transposed ? width : depth};
}

// gather adds the products of some rows and a strip up into the quarters of C.
AVX512 static void gather(const job *j, const float *products, int64_t size, int64_t width, float *c, int64_t rows) {
	int64_t n = j->p.n, beside = n / 2, below = j->p.m / 2 * n;
	for (int64_t r = 0; r < rows; r++, c += n, products += width)
		for (int64_t v = 0; v < width; v += 16) {
			const float *at = products + v;
			float *to = c + v;
			if (r + 4 < rows)
				for (int q = 0; q < 4; q++) __builtin_prefetch(to + 4 * n + q % 2 * beside + q / 2 * below, 1);
			__m512 p1 = _mm512_load_ps(at), p2 = _mm512_load_ps(at + size), p3 = _mm512_load_ps(at + 2 * size), p4 = _mm512_load_ps(at + 3 * size);
			__m512 p5 = _mm512_load_ps(at + 4 * size), p6 = _mm512_load_ps(at + 5 * size), p7 = _mm512_load_ps(at + 6 * size);
			__m512 u = _mm512_add_ps(p1, p6), u7 = _mm512_add_ps(u, p7);
			_mm512_storeu_ps(to, _mm512_add_ps(p1, p2));
			_mm512_storeu_ps(to + beside, _mm512_add_ps(_mm512_add_ps(u, p5), p3));
			_mm512_storeu_ps(to + below, _mm512_sub_ps(u7, p4));
			_mm512_storeu_ps(to + below + beside, _mm512_add_ps(u7, p5));
		}
}

// multiply computes some tiles of a strip of all quarters of C.
static void multiply(const job *j, float *room, int64_t strip, int64_t first, int64_t end) {
	const mseg_product *p = &j->p;
	int64_t left = column(p->n / 2, strip), width = column(p->n / 2, strip + 1) - left, rows = (end - first) * MSEG_ROWS, size = rows * width;
	float *made = room + PRODUCTS * p->m / 2 * MSEG_COLUMNS;
	for (int64_t from = 0; from < p->k / 2; from += MSEG_DEPTH) {
		int64_t depth = least(MSEG_DEPTH, p->k / 2 - from);
		const float *b = made;
		if (p->b_packed) b = p->b + HEADER + PRODUCTS * (left * (p->k / 2) + from * width);
		else right(made, p->b, p->n, p->k, p->b_transposed, left, width, from, depth);
		for (int product = 0; product < PRODUCTS; product++, b += width * depth) {
			int64_t stride;
			const float *a = left_side(j, product, &stride) + first * MSEG_ROWS * stride + from;
			float *c = room + product * size;
			mseg_ahead next = ahead(j, product, b + width * depth, strip, from);
			for (int64_t t = first; t < end; t++, a += MSEG_ROWS * stride, c += MSEG_ROWS * width)
				mseg_tile(a, stride, b, depth, width, c, width, MSEG_ROWS, width, from == 0, &next);
		}
	}
	gather(j, room, size, width, p->c + first * MSEG_ROWS * p->n + left, rows);
}

bool mseg_multiply_winograd(const mseg_product *p, int threads, mseg_schedule schedule, void *pool) {
	job j = {.p = *p, .a_stride = p->k, .b_stride = p->b_transposed ? p->k : p->n, .tiles = p->m / 2 / MSEG_ROWS, .strips = strips(p->n / 2), .prepare = prepare, .multiply = multiply};
	mseg_cut(&j, threads);
	j.a_size = 4 * (p->m / 2) * (p->k / 2);
	j.b_size = PRODUCTS * MSEG_COLUMNS * (p->m / 2 + (p->b_packed ? 0 : least(MSEG_DEPTH, p->k / 2)));
	return mseg_run(&j, threads, schedule, pool);
}
