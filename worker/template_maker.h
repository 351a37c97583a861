/* SPDX-License-Identifier: Apache-2.0 */
/* Making one template in a process of its own: it loads the template from the disk, or boots a VM
 * and saves it. */
#ifndef PE_WORKER_TEMPLATE_MAKER_H
#define PE_WORKER_TEMPLATE_MAKER_H

#include "base/error.h"
#include "proto/image.h"
#include "worker/config.h"

#include <sys/types.h>

struct template_maker {
    pid_t pid; /* 0: there is no process */
    int fd;    /* delivers one TEMPLATE_GRANT_CLONE message with the snapshot; its end means failure */
};

/* Start the process for the image's template `key`. The caller owns `maker->fd` and reaps the
 * process, which logs a failure itself. After it has sent a new template it lives on to write it to
 * the disk. Fails with PE_ERR_INTERNAL. */
int template_maker_start(const struct worker_config *config, const struct pe_image *image, const char *key,
                         struct template_maker *maker, struct pe_error *err) PE_MUST_CHECK;

#endif
