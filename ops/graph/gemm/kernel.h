// The two steps of a product that touch single numbers.
#pragma once
#include "gemm.h"

enum {
	MSEG_ROWS = 8,    // rows of a tile of C
	MSEG_COLUMNS = 48 // and its columns: 24 registers of sums, three of B and one of A of the 32
};

// mseg_pack lays a block of count vectors of length numbers (count at most width) out so that the numbers of one index stand together: out[i * width + v], 0 where
// there is no vector. The numbers of a vector follow each other and vectors are stride apart, or, if across, the other way round.
void mseg_pack(float *out, int64_t width, const float *in, int64_t stride, bool across, int64_t count, int64_t length);

// mseg_ahead is a place of B that will be packed next, brought nearer while tiles are computed: rows of a number of lines of 64 bytes, stride bytes apart.
typedef struct {
	const char *at;
	int64_t lines, stride; // at is the line-th of the row
	int64_t line;
	bool twice; // two lines in eight steps instead of one: for few tiles
	int64_t rows; // left; 0: there is no more
} mseg_ahead;

// mseg_tile adds to a tile of C, or sets it if first, the products of 8 rows of A and a packed block of B (width columns: 16, 32 or 48)
// of the same k. The rows of A are packed, or stand as they are a_stride numbers apart, if that is not 0. Rows and columns of C beyond rows and columns are not touched.
void mseg_tile(const float *a, int64_t a_stride, const float *b, int64_t k, int64_t width, float *c, int64_t stride, int64_t rows, int64_t columns, bool first, mseg_ahead *ahead);
