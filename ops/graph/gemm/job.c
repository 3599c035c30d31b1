//go:build cgo && linux && amd64

#include "job.h"

#include <immintrin.h>
#include <sched.h>
#include <stdlib.h>

static void let_go(job *j) {
	if (atomic_fetch_sub(&j->holders, 1) != 1) return;
	free(j->a);
	free(j->b);
	free(j);
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
			j->prepare(j, j->whole + unit * MSEG_PACK_TILES, least(j->tiles, j->whole + (unit + 1) * MSEG_PACK_TILES));
			atomic_fetch_add_explicit(&j->packed, 1, memory_order_release);
		} else {
			await(&j->packed, j->packing);
			int64_t strip = (unit - j->packing) / j->parts, part = (unit - j->packing) % j->parts;
			j->multiply(j, b, strip, j->tiles * part / j->parts, j->tiles * (part + 1) / j->parts);
		}
		atomic_fetch_add_explicit(&j->done, 1, memory_order_release);
	}
}

static void help(void *data) {
	work(data);
	let_go(data);
}

void mseg_cut(job *j, int threads) {
	j->parts = 1;
	// Few strips for many threads are cut across, at the price of packing B again for each part.
	if (threads > 1 && j->strips < 4 * threads) j->parts = least(over(4 * threads, j->strips), over(j->tiles, 4));
	j->packing = over(j->tiles - j->whole, MSEG_PACK_TILES);
	j->units = j->packing + j->strips * j->parts;
}

bool mseg_run(const job *wanted, int threads, mseg_schedule schedule, void *pool) {
	job *j = malloc(sizeof *j);
	if (!j) return false;
	*j = *wanted;
	threads = least(threads, j->units);
	j->a = aligned_alloc(64, over(sizeof(float) * j->a_size + 64, 64) * 64);
	j->b = aligned_alloc(64, over(sizeof(float) * j->b_size * threads, 64) * 64);
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
