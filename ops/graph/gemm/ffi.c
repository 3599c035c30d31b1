//go:build cgo && linux && amd64

#include <string.h>

#include "gemm.h"
#include "register.h"

// The part of XLA's interface for functions of others (FFI) that is used here, by its layout, from the description of version 0.4.
enum {
	METADATA = 1,     // kind of an extension
	EXECUTE = 3,      // stage
	F32 = 11, S32 = 4, S64 = 5, // types of numbers
	SCALAR = 3,       // kind of an attribute
	INVALID_ARGUMENT = 3,
	RESOURCE_EXHAUSTED = 8,
	MAJOR = 0, MINOR = 4,
};

typedef struct extension {
	size_t size;
	int kind;
	struct extension *next;
} extension;

typedef struct {
	size_t size;
	extension *extensions;
	int major, minor;
} version;

typedef struct {
	extension base;
	struct {
		size_t size;
		version version;
		uint32_t traits;
		int64_t state;
	} *metadata;
} metadata;

// call is any function of the interface: one argument, an error or NULL.
typedef void *(*call)(void *args);

typedef struct {
	size_t size;
	extension *extensions;
	version version;
	const void *internal;
	call create_error, error_details, destroy_error, register_handler, stream, register_type, context, set_state, state, allocate, release, schedule, threads;
} interface;

typedef struct {
	size_t size;
	extension *extensions;
	int type;
	void *data;
	int64_t rank, *dims;
} buffer;

typedef struct {
	size_t size;
	extension *extensions;
	int64_t count;
	int *kinds;
	void **values;
} values;

typedef struct {
	size_t size;
	extension *extensions;
	int64_t count;
	int *kinds;
	struct { const char *text; size_t length; } **names;
	void **values;
} attributes;

typedef struct {
	size_t size;
	extension *extensions;
	const interface *xla;
	void *context;
	int stage;
	values in, out;
	attributes attributes;
} frame;

static void *fault(const interface *xla, const char *message, int code) {
	struct {
		size_t size;
		extension *extensions;
		const char *message;
		int code;
	} args = {sizeof args, NULL, message, code};
	return xla->create_error(&args);
}

// succeeded drops an error, whose cause is of no further use.
static bool succeeded(const interface *xla, void *error) {
	if (!error) return true;
	struct {
		size_t size;
		extension *extensions;
		void *error;
	} args = {sizeof args, NULL, error};
	xla->destroy_error(&args);
	return false;
}

static bool schedule(void *pool, void (*task)(void *), void *data) {
	const frame *f = pool;
	struct {
		size_t size;
		extension *extensions;
		void *context;
		void (*task)(void *);
		void *data;
	} args = {sizeof args, NULL, f->context, task, data};
	return succeeded(f->xla, f->xla->schedule(&args));
}

static int threads(const frame *f) {
	int64_t n = 1;
	struct {
		size_t size;
		extension *extensions;
		void *context;
		int64_t *threads;
	} args = {sizeof args, NULL, f->context, &n};
	return succeeded(f->xla, f->xla->threads(&args)) && n > 0 && n < 1024 ? (int)n : 1;
}

// attribute is the value of a 64-bit attribute, or -1.
static int64_t attribute(const frame *f, const char *name) {
	for (int64_t i = 0; i < f->attributes.count; i++) {
		if (f->attributes.names[i]->length != strlen(name) || memcmp(f->attributes.names[i]->text, name, strlen(name))) continue;
		struct { int type; void *value; } *scalar = f->attributes.values[i];
		return f->attributes.kinds[i] == SCALAR && scalar->type == S64 ? *(int64_t *)scalar->value : -1;
	}
	return -1;
}

static int64_t numbers(const buffer *b) {
	int64_t n = 1;
	for (int64_t i = 0; i < b->rank; i++) n *= b->dims[i];
	return n;
}

static void *product(frame *f) {
	if (f->extensions && f->extensions->kind == METADATA) {
		metadata *m = (metadata *)f->extensions;
		// XLA wants to hear the version that the handler was made for.
		m->metadata->version = (version){sizeof(version), NULL, MAJOR, MINOR};
		m->metadata->traits = 0;
		m->metadata->state = 0;
		return NULL;
	}
	int64_t k = attribute(f, "k"), a = attribute(f, "a_transposed"), b = attribute(f, "b_transposed"), slot = attribute(f, "b_slot"), winograd = attribute(f, "winograd");
	// With a third argument, B may be packed: the number at the slot says so.
	bool may = f->in.count == 3;
	if (f->stage != EXECUTE || f->in.count != 2 + may || f->out.count != 1 || k <= 0 || a < 0 || b < 0 || may != (slot >= 0))
		return fault(f->xla, "a product of mseg was called with other arguments than it has", INVALID_ARGUMENT);
	const buffer *left = f->in.values[0], *right = f->in.values[1], *flags = may ? f->in.values[2] : NULL, *out = f->out.values[0];
	mseg_product p = {left->data, right->data, out->data, numbers(left) / k, numbers(right) / k, k, a, b, false, winograd == 1};
	if (left->type != F32 || right->type != F32 || out->type != F32 || p.m * k != numbers(left) || p.n * k != numbers(right) || p.m * p.n != numbers(out) ||
		(may && (flags->type != S32 || numbers(flags) <= slot)))
		return fault(f->xla, "the arrays of a product of mseg do not fit each other", INVALID_ARGUMENT);
	p.b_packed = may && ((const int32_t *)flags->data)[slot];
	if (p.winograd && !mseg_halves(&p))
		return fault(f->xla, "the matrices of a product of mseg cannot be divided into quarters", INVALID_ARGUMENT);
	// What is packed in quarters is longer than XLA knows, so that a copy would not do.
	if (p.b_packed && (p.winograd ? !mseg_are_quarters(p.b, p.n, k) : p.n % 16 || (uintptr_t)p.b % 64))
		return fault(f->xla, "a product of mseg was given weights that cannot have been packed", INVALID_ARGUMENT);
	if (!mseg_multiply(&p, threads(f), schedule, f))
		return fault(f->xla, "out of memory: a product found no room for its packed operands", RESOURCE_EXHAUSTED);
	return NULL;
}

const char *mseg_register_product(const void *table, const char *name) {
	// The plugin's table and its extension for functions of others, kind 5.
	const struct {
		size_t size;
		const struct ffi {
			size_t size;
			int kind;
			const struct ffi *next;
			call register_type, add_data, register_handler;
		} *extensions;
	} *pjrt = table;
	const struct ffi *e = pjrt->extensions;
	while (e && e->kind != 5) e = e->next;
	if (!e || e->size < sizeof *e) return "it takes no functions of others";
	static const char platform[] = "Host";
	struct {
		size_t size;
		const char *name;
		size_t name_size;
		void *handler;
		const char *platform;
		size_t platform_size;
		int traits;
	} args = {offsetof(typeof(args), traits) + sizeof args.traits, name, strlen(name), product, platform, sizeof platform - 1, 0};
	return e->register_handler(&args) ? "it refuses the function" : NULL; // the error's text stays with the plugin, once
}
