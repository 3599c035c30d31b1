// Package executable keeps what XLA has compiled from one process to the next.
//
// XLA compiles a program for the machine it runs on. For a ViT-B that takes
// seconds of two cores, again in every process, although the program is the
// same: the library used here to reach XLA offers no way to store the outcome,
// while the plugin's own interface (PJRT) does. So the plugin is opened here, its table of
// functions is copied, and in the copy the compiler is replaced by one that
// looks into a folder first. The library is then given the copy and notices nothing.
//
// What is kept is machine code. It is used only if nothing that it was
// made from has changed (the program, the options, the plugin, the kind of processor, the number of
// threads, which all are in its name), if its checksum is right, and if it belongs to this user and no one else may
// write to it. Whatever is wrong with a kept program, it is compiled again; a folder that cannot be used
// costs time and nothing else.
//
// Standing where programs are compiled, it can also give each of them options of its own ([Choose]), which the library cannot.
package executable
