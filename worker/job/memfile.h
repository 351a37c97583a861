/* SPDX-License-Identifier: Apache-2.0 */
/* Memory behind a VM's pmem device: a memfd that worker and VMM both map. It has no name, and is
 * freed when the last process that uses it ends. */
#ifndef PE_WORKER_JOB_MEMFILE_H
#define PE_WORKER_JOB_MEMFILE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct memfile {
    int fd;
    uint8_t *bytes; /* the file, mapped shared */
    size_t size;    /* in bytes; fixed, because the file is sealed against shrinking and growing */
};

#define MEMFILE_NONE ((struct memfile){.fd = -1})

/* Create a memfd of `size` zero bytes; `name` shows up in /proc. Pages that are not written cost no
 * memory. The caller owns `*file`, which is MEMFILE_NONE on failure. Fails with PE_ERR_INTERNAL. */
int memfile_create(const char *name, size_t size, struct memfile *file, struct pe_error *err) PE_MUST_CHECK;

/* Copy what was written to the file, from its first byte on, if its pages have at most `most` bytes:
 * returns 1. Returns 0 if they have more. Another process may write to the file at the same time. The caller
 * owns `copy`. Fails with PE_ERR_INTERNAL. */
int memfile_copy_small(const struct memfile *file, size_t most, struct pe_buf *copy,
                       struct pe_error *err) PE_MUST_CHECK;

/* Unmap and close. Harmless on MEMFILE_NONE, which it leaves behind. */
void memfile_close(struct memfile *file);

#endif
