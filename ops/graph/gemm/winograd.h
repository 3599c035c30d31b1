// Products of quarters of matrices.
#pragma once
#include "gemm.h"

// mseg_multiply_winograd is mseg_multiply for products with winograd.
bool mseg_multiply_winograd(const mseg_product *p, int threads, mseg_schedule schedule, void *pool);
