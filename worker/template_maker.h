/* SPDX-License-Identifier: Apache-2.0 */
/* Making one template in a process of its own: it loads the template from the disk, or boots a VM
 * and saves it. */
#ifndef PE_WORKER_TEMPLATE_MAKER_H
#define PE_WORKER_TEMPLATE_MAKER_H

#include "base/error.h"
#include "proto/image.h"
#include "worker/config.h"

#include <stdint.h>
#include <sys/types.h>

/* In this time a maker has ended. Its limits for the boot, the warm-up and the snapshot are below this one
 * together, and the rest is for the disk. */
#define TEMPLATE_MAKER_US (10 * 60 * 1000000ull)

struct template_maker {
    pid_t pid; /* 0: there is no process */
    int fd;    /* delivers one TEMPLATE_GRANT_CLONE message with the snapshot; its end means failure */
    uint64_t until_us; /* when the process was stopped or hangs, and the caller kills it (pe_now_us) */
};

/* Start the process for the image's template `key`. The caller owns `maker->fd` and reaps the
 * process, which logs a failure itself. After it has sent a new template it lives on to write it to
 * the disk. Fails with PE_ERR_INTERNAL. */
int template_maker_start(const struct worker_config *config, const struct pe_image *image, const char *key,
                         struct template_maker *maker, struct pe_error *err) PE_MUST_CHECK;

#endif
