/* Reading a guest's output device: a cpio (newc) from a machine that may be entirely in an attacker's hands.
 * Nothing is ever written to a file system and no path is resolved; entries leave as bytes. */
#ifndef PE_WORKER_OUTPUT_H
#define PE_WORKER_OUTPUT_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/result.h"
#include "proto/slot.h"

#include <stddef.h>

struct output {
    struct pe_result result;
    struct pe_parts parts; /* stdout, stderr, then files in byte order of their paths */
    struct pe_buf bytes;   /* of all parts, concatenated */
};

/* Read `size` bytes of cpio, which must not change meanwhile: the VM is dead by then. Anything out of the
 * contract (another entry first, a path that is not allowed or not in order, an entry that is no regular
 * file, a limit exceeded) is PE_ERR_MALFORMED. `output` is zeroed first and owned by the caller in either
 * case. */
int output_read(const void *cpio, size_t size, struct output *output, struct pe_error *err) PE_MUST_CHECK;

void output_free(struct output *output);
#define autooutput __attribute__((cleanup(output_free)))

#endif
