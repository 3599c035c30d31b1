//go:build cgo && linux && amd64

#include "kernel.h"

#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f")))
#define INLINE static inline __attribute__((always_inline))

bool mseg_multiplies(void) { return __builtin_cpu_supports("avx512f"); }

// square lays 8 vectors of 8 numbers out across: out[i * width + v] = in[v * stride + i].
INLINE AVX512 void square(float *out, int64_t width, const float *in, int64_t stride) {
	__m256 r[8], s[8];
	// Halves of vectors v and v + 4 side by side, so that the last exchange of a transposition is done by the loads.
	for (int v = 0; v < 4; v++) {
		const float *low = in + v * stride, *high = in + (v + 4) * stride;
		r[v] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
		r[v + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low + 4)), _mm_loadu_ps(high + 4), 1);
	}
	for (int h = 0; h < 8; h += 4) {
		s[h + 0] = _mm256_unpacklo_ps(r[h + 0], r[h + 1]);
		s[h + 1] = _mm256_unpackhi_ps(r[h + 0], r[h + 1]);
		s[h + 2] = _mm256_unpacklo_ps(r[h + 2], r[h + 3]);
		s[h + 3] = _mm256_unpackhi_ps(r[h + 2], r[h + 3]);
		_mm256_storeu_ps(out + (h + 0) * width, _mm256_shuffle_ps(s[h + 0], s[h + 2], 0x44));
		_mm256_storeu_ps(out + (h + 1) * width, _mm256_shuffle_ps(s[h + 0], s[h + 2], 0xee));
		_mm256_storeu_ps(out + (h + 2) * width, _mm256_shuffle_ps(s[h + 1], s[h + 3], 0x44));
		_mm256_storeu_ps(out + (h + 3) * width, _mm256_shuffle_ps(s[h + 1], s[h + 3], 0xee));
	}
}

// quarters are four numbers of each of four vectors that are four vectors apart.
INLINE AVX512 __m512 quarters(const float *in, int64_t stride) {
	__m512 r = _mm512_castps128_ps512(_mm_loadu_ps(in));
	r = _mm512_insertf32x4(r, _mm_loadu_ps(in + 4 * stride), 1);
	r = _mm512_insertf32x4(r, _mm_loadu_ps(in + 8 * stride), 2);
	return _mm512_insertf32x4(r, _mm_loadu_ps(in + 12 * stride), 3);
}

// oblong lays four numbers of 16 vectors out across, whole lines of the cache.
INLINE AVX512 void oblong(float *out, int64_t width, const float *in, int64_t stride) {
	__m512 r0 = quarters(in, stride), r1 = quarters(in + stride, stride), r2 = quarters(in + 2 * stride, stride), r3 = quarters(in + 3 * stride, stride);
	__m512 s0 = _mm512_unpacklo_ps(r0, r1), s1 = _mm512_unpackhi_ps(r0, r1), s2 = _mm512_unpacklo_ps(r2, r3), s3 = _mm512_unpackhi_ps(r2, r3);
	_mm512_store_ps(out, _mm512_shuffle_ps(s0, s2, 0x44));
	_mm512_store_ps(out + width, _mm512_shuffle_ps(s0, s2, 0xee));
	_mm512_store_ps(out + 2 * width, _mm512_shuffle_ps(s1, s3, 0x44));
	_mm512_store_ps(out + 3 * width, _mm512_shuffle_ps(s1, s3, 0xee));
}

// near fetches what a few vectors hold some lines later: more of them than a processor follows by itself.
INLINE void near(const float *in, int64_t stride, int count) {
	for (int v = 0; v < count; v++) _mm_prefetch((const char *)(in + v * stride + 64), _MM_HINT_T0);
}

AVX512 void mseg_pack(float *out, int64_t width, const float *in, int64_t stride, bool across, int64_t count, int64_t length) {
	if (across) {
		for (int64_t i = 0; i < length; i++, out += width, in += stride) {
			for (int64_t v = 0; v < width; v += 8) {
				if (v % 16 == 0) _mm_prefetch((const char *)(in + 16 * stride + v), _MM_HINT_T0);
				int64_t left = count - v;
				__mmask16 some = left >= 8 ? 0xff : left <= 0 ? 0 : (__mmask16)((1 << left) - 1);
				_mm256_storeu_ps(out + v, _mm512_castps512_ps256(_mm512_maskz_loadu_ps(some, in + v)));
			}
		}
		return;
	}
	int64_t v = 0;
	if (width % 16 == 0) {
		for (; v + 16 <= count; v += 16) {
			int64_t i = 0;
			for (; i + 4 <= length; i += 4) {
				if (i % 16 == 0) near(in + v * stride + i, stride, 16);
				oblong(out + i * width + v, width, in + v * stride + i, stride);
			}
			for (; i < length; i++)
				for (int64_t w = v; w < v + 16; w++) out[i * width + w] = in[w * stride + i];
		}
	}
	for (; v < width; v += 8) {
		int64_t i = 0;
		if (v + 8 <= count)
			for (; i + 8 <= length; i += 8) {
				if (i % 16 == 0) near(in + v * stride + i, stride, 8);
				square(out + i * width + v, width, in + v * stride + i, stride);
			}
		for (; i < length; i++)
			for (int64_t w = v; w < v + 8; w++) out[i * width + w] = w < count ? in[w * stride + i] : 0;
	}
}

// steps is the inner loop: it adds the products of k columns of A and rows of B. The number of vectors of 16 columns is one that the compiler knows, and so is whether
// rows of A stand apart. near is how many numbers after those that it reads it fetches A.
INLINE AVX512 void steps(const int vectors, const bool apart, __m512 sum[MSEG_ROWS][3], const float *a, int64_t a_stride, int64_t near, const float *b, int64_t k, mseg_ahead *ahead) {
	mseg_ahead next = *ahead;
	for (; k > 0; k--, a += apart ? 1 : MSEG_ROWS, b += 16 * vectors) {
		__m512 row[3];
		// A line of each row while the 16 numbers of a line are read.
		if (!apart) _mm_prefetch((const char *)(a + near), _MM_HINT_T0);
		else if (k % 2 == 0) _mm_prefetch((const char *)(a + (k >> 1 & 7) * a_stride + near), _MM_HINT_T0);
		if (k % 8 == 0 && next.rows > 0) {
			_mm_prefetch(next.at + 64 * next.line, _MM_HINT_T1);
			if (next.twice) _mm_prefetch(next.at + 64 * ++next.line, _MM_HINT_T1);
			if (++next.line >= next.lines) {
				next.line = 0;
				next.at += next.stride;
				next.rows--;
			}
		}
#pragma GCC unroll 3
		for (int v = 0; v < vectors; v++) {
			row[v] = _mm512_load_ps(b + 16 * v);
			_mm_prefetch((const char *)(b + 16 * (8 * vectors + v)), _MM_HINT_T0); // eight steps ahead: B lies in the second cache
		}
#pragma GCC unroll 8
		for (int r = 0; r < MSEG_ROWS; r++) {
			__m512 x = _mm512_set1_ps(a[apart ? r * a_stride : r]);
#pragma GCC unroll 3
			for (int v = 0; v < vectors; v++) sum[r][v] = _mm512_fmadd_ps(x, row[v], sum[r][v]);
		}
	}
	*ahead = next;
}

// tile computes a tile of a number of vectors of 16 columns.
INLINE AVX512 void tile(const int vectors, const bool apart, const float *a, int64_t a_stride, const float *b, int64_t k, float *c, int64_t stride, bool first, mseg_ahead *ahead) {
	__m512 sum[MSEG_ROWS][3];
#pragma GCC unroll 8
	for (int r = 0; r < MSEG_ROWS; r++)
#pragma GCC unroll 3
		for (int v = 0; v < vectors; v++) sum[r][v] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(c + r * stride + 16 * v);
	// The last steps fetch the beginning of what is read next: as a rule the next rows of A, and what this tile writes or the next one adds to.
	int64_t last = k < 64 ? k : 64, before = k - last;
	steps(vectors, apart, sum, a, a_stride, apart ? 64 : 32 * MSEG_ROWS, b, before, ahead);
	for (int r = 0; r < MSEG_ROWS; r++)
		for (int v = 0; v < vectors; v++) __builtin_prefetch(c + (first ? r : r + MSEG_ROWS) * stride + 16 * v, 1);
	steps(vectors, apart, sum, a + (apart ? before : before * MSEG_ROWS), a_stride, apart ? MSEG_ROWS * a_stride - before : 32 * MSEG_ROWS, b + before * 16 * vectors, last, ahead);
#pragma GCC unroll 8
	for (int r = 0; r < MSEG_ROWS; r++)
#pragma GCC unroll 3
		for (int v = 0; v < vectors; v++) _mm512_storeu_ps(c + r * stride + 16 * v, sum[r][v]);
}

AVX512 static void whole(const float *a, int64_t a_stride, const float *b, int64_t k, int64_t width, float *c, int64_t stride, bool first, mseg_ahead *ahead) {
	switch (width) {
	case 48: tile(3, false, a, 0, b, k, c, stride, first, ahead); break;
	case 32: tile(2, false, a, 0, b, k, c, stride, first, ahead); break;
	default: tile(1, false, a, 0, b, k, c, stride, first, ahead); break;
	}
}

AVX512 static void apart(const float *a, int64_t a_stride, const float *b, int64_t k, int64_t width, float *c, int64_t stride, bool first, mseg_ahead *ahead) {
	switch (width) {
	case 48: tile(3, true, a, a_stride, b, k, c, stride, first, ahead); break;
	case 32: tile(2, true, a, a_stride, b, k, c, stride, first, ahead); break;
	default: tile(1, true, a, a_stride, b, k, c, stride, first, ahead); break;
	}
}

AVX512 void mseg_tile(const float *a, int64_t a_stride, const float *b, int64_t k, int64_t width, float *c, int64_t stride, int64_t rows, int64_t columns, bool first, mseg_ahead *ahead) {
	void (*compute)(const float *, int64_t, const float *, int64_t, int64_t, float *, int64_t, bool, mseg_ahead *) = a_stride ? apart : whole;
	if (rows == MSEG_ROWS && columns == width) {
		compute(a, a_stride, b, k, width, c, stride, first, ahead);
		return;
	}
	// At the edge of C the tile is computed beside it.
	float edge[MSEG_ROWS * MSEG_COLUMNS] __attribute__((aligned(64)));
	if (!first)
		for (int64_t r = 0; r < rows; r++) memcpy(edge + r * width, c + r * stride, columns * sizeof(float));
	compute(a, a_stride, b, k, width, edge, width, first, ahead);
	for (int64_t r = 0; r < rows; r++) memcpy(c + r * stride, edge + r * width, columns * sizeof(float));
}
