/* SPDX-License-Identifier: Apache-2.0 */
/* The lists that Piston calls runtimes and packages. Their texts are made when a worker has changed and
 * somebody asks, and all readers share them. */
#ifndef PE_LB_PISTON_RUNTIME_LIST_H
#define PE_LB_PISTON_RUNTIME_LIST_H

#include "base/buffer.h"
#include "base/error.h"
#include "lb/core/scheduler.h"

#include <stddef.h>
#include <stdint.h>

/* A text with references. */
struct piston_text {
    size_t refs;
    struct pe_buf bytes;
};

/* Zero-initialise it. */
struct piston_runtime_list {
    struct piston_text *runtimes, *packages; /* NULL: not made yet */
    uint64_t serial;                         /* of the catalogs that they were made from */
};

/* The replies to GET /runtimes and GET /packages: new references. NULL with PE_ERR_INTERNAL without memory.
 */
struct piston_text *piston_list_runtimes(struct piston_runtime_list *list, const struct scheduler *scheduler,
                                         struct pe_error *err);
struct piston_text *piston_list_packages(struct piston_runtime_list *list, const struct scheduler *scheduler,
                                         struct pe_error *err);

/* Drop a reference. NULL is allowed. */
void piston_text_unref(struct piston_text *text);

#endif
