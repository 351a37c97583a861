/* SPDX-License-Identifier: Apache-2.0 */
/* The files in the output folder of the program, and which of them can be sent. What can fail fails with
 * PE_ERR_INTERNAL. */
#ifndef PE_GUEST_INIT_OUTPUTS_H
#define PE_GUEST_INIT_OUTPUTS_H

#include "base/error.h"
#include "guest-init/dropped.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output {
    char *path;     /* owned; relative to the folder */
    uint32_t mode;  /* type and permission bits; outputs_measure() sets these three */
    uint32_t mtime; /* seconds since 1970 */
    uint64_t size;  /* bytes; 0 for a directory */
};

struct outputs {
    int folder;           /* owned; -1: none */
    struct output *items; /* owned; in byte order of their paths */
    size_t count, capacity;
    uint64_t dropped;           /* files that match, but cannot be sent */
    struct dropped_names names; /* of the first of them */
    bool over_limit;            /* some of them because of their size, number, path or depth */
};

struct outputs_limits {
    char *const *globs; /* a path is wanted if one of them matches */
    size_t glob_count;  /* 0: everything is wanted */
    size_t entries;     /* directories and files together */
    uint64_t bytes;     /* of all files together */
    uint64_t archive;   /* bytes that the entries may take in the archive */
};

/* Find the wanted directories and regular files below `folder`. If there are more than
 * `limits->entries`, the first ones in byte order are kept. Symlinks are not followed. The caller
 * frees `outputs`, also after a failure. */
int outputs_find(struct outputs *outputs, const char *folder, const struct outputs_limits *limits,
                 struct pe_error *err) PE_MUST_CHECK;

/* Call stat(2) for each file, in order, and drop the files that do not fit any more. Names in the
 * archive are `prefix` bytes longer. */
int outputs_measure(struct outputs *outputs, const struct outputs_limits *limits, size_t prefix,
                    struct pe_error *err) PE_MUST_CHECK;

/* Open a file for reading. The caller owns the descriptor. */
int outputs_open(const struct outputs *outputs, const struct output *output,
                 struct pe_error *err) PE_MUST_CHECK;

/* Free the list and close the directory. outputs_open() must not be called afterwards. */
void outputs_free(struct outputs *outputs);
#define pe_autooutputs __attribute__((cleanup(outputs_free)))

#endif
