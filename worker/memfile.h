/* Memory behind a VM's pmem device: a memfd that host and VMM both map. It has no name and no file system;
 * when the last process that holds it ends, it is gone. */
#ifndef PE_WORKER_MEMFILE_H
#define PE_WORKER_MEMFILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct memfile {
    int fd;
    uint8_t *bytes; /* the whole file, mapped shared */
    size_t size;    /* bytes, fixed: the file is sealed against shrinking and growing */
};

#define MEMFILE_NONE ((struct memfile){.fd = -1})

/* Pages that nobody touches cost nothing. `*file` is MEMFILE_NONE on failure. */
int memfile_create(const char *name, size_t size, struct memfile *file, struct pe_error *err) PE_MUST_CHECK;

/* Harmless on MEMFILE_NONE, which it leaves behind. */
void memfile_close(struct memfile *file);

#endif
