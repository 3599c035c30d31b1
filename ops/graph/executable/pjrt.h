// The part of XLA's plugin interface (PJRT) that is used here, by its layout: the interface promises that within major version 0 fields
// are only ever added at the end of the table and of the arguments. Taken from the interface's description, version 0.104.
#pragma once
#include <stdbool.h>
#include <stddef.h>

typedef struct mseg_error mseg_error;
typedef mseg_error *(*mseg_function)(void *args);

// The table: two words, a version of two words and two ints, then functions.
typedef struct {
	size_t size;
	void *extension;
	size_t version_size;
	void *version_extension;
	int major, minor;
	mseg_function functions[];
} mseg_table;

// Places in the table.
enum {
	MSEG_ERROR_DESTROY = 0,
	MSEG_CLIENT_COMPILE = 20,
	MSEG_EXECUTABLE_DESTROY = 40,
	MSEG_EXECUTABLE_SERIALIZE = 49,
	MSEG_LOADED_EXECUTABLE = 51, // PJRT_LoadedExecutable_GetExecutable
	MSEG_DESERIALIZE = 56,       // PJRT_Executable_DeserializeAndLoad
};

typedef struct {
	size_t size;
	void *extension;
	char *code;
	size_t code_size;
	const char *format;
	size_t format_size;
} mseg_program;

typedef struct {
	size_t size;
	void *extension;
	void *client;
	const mseg_program *program;
	const char *options;
	size_t options_size;
	void *executable; // out
} mseg_compile_args;

// mseg_plugin opens the plugin at path and returns a copy of its table whose compiler is ours; the plugin stays open. On failure it returns
// NULL and says why.
const mseg_table *mseg_plugin(const char *path, const char **fault);

// mseg_compile asks the plugin itself.
mseg_error *mseg_compile(mseg_compile_args *args);

// mseg_load makes an executable of kept bytes; NULL if the plugin does not take them.
void *mseg_load(void *client, const void *bytes, size_t size);

// mseg_bytes is a loaded executable written down, until it is released.
typedef struct {
	const void *bytes;
	size_t size;
	void *holder;
	void (*deleter)(void *holder);
} mseg_bytes;

// mseg_write returns false if the plugin cannot write this executable.
bool mseg_write(void *loaded, mseg_bytes *out);
void mseg_release(mseg_bytes *b);
