/* Making one template, in a process of its own: loaded from disk, or from a VM that is booted for it. */
#ifndef PE_WORKER_TEMPLATE_MAKER_H
#define PE_WORKER_TEMPLATE_MAKER_H

#include "base/error.h"
#include "proto/image.h"
#include "worker/config.h"
#include "worker/template_disk.h"

#include <sys/types.h>

struct template_maker {
    pid_t pid; /* 0: there is none */
    int fd;    /* a template_message with the snapshot comes (TEMPLATE_GRANT_CLONE), or the end: it failed */
};

/* Start it. The process logs why it fails, and lives on for a while after its answer to write a new template
 * to disk; the caller reaps it. */
int template_maker_start(const struct worker_config *config, const struct pe_image *image, const char *key,
                         struct template_maker *maker, struct pe_error *err) PE_MUST_CHECK;

#endif
