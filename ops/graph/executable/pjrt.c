//go:build cgo && linux

#include "pjrt.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "_cgo_export.h"

static const mseg_table *plugin; // the plugin's own table

static mseg_error *compile(void *args) { return msegCompile(args); }

const mseg_table *mseg_plugin(const char *path, const char **fault) {
	// The flags are those of go-xla, whose cleaning up does not know of this handle: it is never closed.
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (!library) {
		*fault = dlerror();
		return NULL;
	}
	const mseg_table *(*get)(void) = (const mseg_table *(*)(void))dlsym(library, "GetPjrtApi");
	const mseg_table *table = get ? get() : NULL;
	if (!table) {
		*fault = "it is not a PJRT plugin";
		return NULL;
	}
	if (table->major != 0 || table->size < offsetof(mseg_table, functions) + (MSEG_DESERIALIZE + 1) * sizeof(mseg_function)) {
		*fault = "its interface cannot write programs";
		return NULL;
	}
	mseg_table *copy = malloc(table->size);
	if (!copy) {
		*fault = "out of memory";
		return NULL;
	}
	memcpy(copy, table, table->size);
	copy->functions[MSEG_CLIENT_COMPILE] = compile;
	plugin = table;
	return copy;
}

mseg_error *mseg_compile(mseg_compile_args *args) { return plugin->functions[MSEG_CLIENT_COMPILE](args); }

// call says whether a function succeeded. The cause of a failure is of no use: the program is compiled then.
static bool call(int function, void *args) {
	if (!plugin->functions[function]) return false;
	mseg_error *error = plugin->functions[function](args);
	if (!error) return true;
	struct {
		size_t size;
		void *extension;
		mseg_error *error;
	} destroy = {sizeof destroy, NULL, error};
	plugin->functions[MSEG_ERROR_DESTROY](&destroy);
	return false;
}

void *mseg_load(void *client, const void *bytes, size_t size) {
	struct {
		size_t size;
		void *extension;
		void *client;
		const void *bytes;
		size_t bytes_size;
		void *loaded; // out
		const char *options;
		size_t options_size;
	} args = {sizeof args, NULL, client, bytes, size, NULL, NULL, 0};
	return call(MSEG_DESERIALIZE, &args) ? args.loaded : NULL;
}

bool mseg_write(void *loaded, mseg_bytes *out) {
	struct {
		size_t size;
		void *extension;
		void *loaded;
		void *executable; // out
	} get = {sizeof get, NULL, loaded, NULL};
	if (!call(MSEG_LOADED_EXECUTABLE, &get)) return false;
	struct {
		size_t size;
		void *extension;
		void *executable;
		const void *bytes; // out, as the rest
		size_t bytes_size;
		void *holder;
		void (*deleter)(void *);
	} write = {sizeof write, NULL, get.executable, NULL, 0, NULL, NULL};
	bool written = call(MSEG_EXECUTABLE_SERIALIZE, &write);
	struct {
		size_t size;
		void *extension;
		void *executable;
	} destroy = {sizeof destroy, NULL, get.executable};
	call(MSEG_EXECUTABLE_DESTROY, &destroy);
	if (written) *out = (mseg_bytes){write.bytes, write.bytes_size, write.holder, write.deleter};
	return written;
}

void mseg_release(mseg_bytes *b) {
	if (b->deleter) b->deleter(b->holder);
}
