/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a guest's output device: a cpio archive (newc) from a machine that an attacker may
 * control completely. Nothing is written to a file system and no path is resolved: the entries
 * become bytes in memory. */
#ifndef PE_WORKER_JOB_OUTPUT_H
#define PE_WORKER_JOB_OUTPUT_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/result.h"
#include "proto/slot.h"

#include <stddef.h>

struct output {
    struct pe_result result;
    struct pe_parts parts; /* stdout, stderr, then files and folders in byte order of their paths */
    struct pe_buf bytes;   /* the bytes of all parts, concatenated */
};

/* How long the streams of a job may be, in bytes. */
struct output_limits {
    size_t stdout_max, stderr_max;
};

/* Read `size` bytes of cpio, which must not change during the call. Fails with PE_ERR_MALFORMED if the
 * archive breaks the guest contract: an entry is missing, a path is not allowed or not in order, an entry is
 * neither a file nor a directory, or a limit is exceeded. Fails with PE_ERR_INTERNAL without memory. The
 * caller owns `output` also after a failure. */
int output_read(const void *cpio, size_t size, const struct output_limits *limits, struct output *output,
                struct pe_error *err) PE_MUST_CHECK;

/* Free what `output` owns. Harmless on a zeroed output. */
void output_free(struct output *output);
#define autooutput __attribute__((cleanup(output_free)))

#endif
