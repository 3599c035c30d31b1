// Products of float32 matrices for processors with AVX-512.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// mseg_product is C = A B: A of m rows and k columns, B of k rows and n columns, C row after row. A transposed flag says that the
// array lies the other way round: A as k rows of m, B as n rows of k. If b_packed, B is what mseg_pack_right has made of it, however it lay before. winograd asks for
// seven products of quarters (winograd.c) and a B packed for them; such a product is one that mseg_halves accepts.
typedef struct {
	const float *a, *b;
	float *c;
	int64_t m, n, k;
	bool a_transposed, b_transposed, b_packed, winograd;
} mseg_product;

// mseg_halves says whether a product can be divided into quarters: A not transposed, m a multiple of 16, n and k of 32.
bool mseg_halves(const mseg_product *p);

// mseg_pack_right lays B, k rows of n columns or if transposed n rows of k, out as products read it; n has to be a multiple of 16, and out, n times k
// numbers as well, to begin at a multiple of 64 bytes.
void mseg_pack_right(float *out, const float *b, int64_t n, int64_t k, bool transposed);

// mseg_pack_quarters lays the sums of quarters of B out that seven products read. n and k have to be multiples of 32; out is mseg_quarters(n, k) numbers, and begins at
// a multiple of 64 bytes. What is packed is larger than B, and says where it lies: mseg_are_quarters knows a copy of its first numbers, behind which there is nothing, from it.
void mseg_pack_quarters(float *out, const float *b, int64_t n, int64_t k, bool transposed);
int64_t mseg_quarters(int64_t n, int64_t k);
bool mseg_are_quarters(const float *packed, int64_t n, int64_t k);

// mseg_schedule hands a task to another thread, which may run it at any time, also after the product is finished, or, before
// it returns, to this one. It returns false if no thread takes the task.
typedef bool (*mseg_schedule)(void *pool, void (*task)(void *), void *data);

// mseg_multiply computes a product on this thread and up to threads - 1 others. Every sum is taken in the same order whatever the number of
// threads, so the bits do not depend on it. It returns false if there is no memory; what C
// holds then is not defined.
bool mseg_multiply(const mseg_product *p, int threads, mseg_schedule schedule, void *pool);

// mseg_multiplies says whether this processor can.
bool mseg_multiplies(void);
