/* SPDX-License-Identifier: Apache-2.0 */
/* The templates of this worker: which there are in memory, which are being made, and which have to
 * make room for others. Every template is made in a process of its own (worker/template_maker.c),
 * so nothing here blocks. Who may clone a template, and when, is decided in worker/admission.c. */
#ifndef PE_WORKER_TEMPLATE_CACHE_H
#define PE_WORKER_TEMPLATE_CACHE_H

#include "proto/image.h"
#include "proto/limits.h"
#include "worker/config.h"
#include "worker/template_key.h"
#include "worker/template_maker.h"
#include "worker/vmm/vmm.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TEMPLATE_CACHE_MAX = 64 };

/* How long to wait before a template that could not be made is tried again, in microseconds. */
#define TEMPLATE_RETRY_US (60 * 1000000ull)

struct template
{
    char key[TEMPLATE_KEY_SIZE];
    char image[PE_IMAGE_NAME_MAX + 1];
    char identity[PE_IMAGE_IDENTITY_SIZE]; /* identity of the image that it was last looked up for */
    struct vm_snapshot snapshot;           /* owned; VM_SNAPSHOT_NONE: not in memory */
    struct template_maker maker;           /* pid 0: no process makes it now */
    uint64_t used_us;                      /* time of the last lookup */
    uint64_t retry_after_us;               /* do not make it before; 0: it did not fail */
    bool broken;                           /* a clone of it has failed before */
};

struct template_cache {
    const struct worker_config *config; /* borrowed */
    char worker_key[TEMPLATE_KEY_SIZE]; /* "": this worker has no templates */
    struct template items[TEMPLATE_CACHE_MAX];
    size_t count;
};

enum template_availability {
    TEMPLATE_LOADED,      /* the template is in memory */
    TEMPLATE_PENDING,     /* it is being made, or will be */
    TEMPLATE_UNAVAILABLE, /* there will be none soon: boot instead */
};

/* Prepare the cache, remove unfinished templates of earlier processes from the disk, and begin to
 * make the templates of the images in config->warm.images. If the engine does not clone, the cache stays
 * empty. A failure is logged and has the same effect. */
void template_cache_open(struct template_cache *cache, const struct worker_config *config);

/* Look up the template for the image called `image`, and have it made if it is missing. `*found` is
 * borrowed until the next call on the cache; it is NULL if there is no entry. */
enum template_availability template_cache_lookup(struct template_cache *cache, const char *image,
                                                 const struct template **found);

/* Drop the templates of `image`, in memory and on disk, because one of them could not be cloned.
 * They are made again at the next lookup, after TEMPLATE_RETRY_US if this was not the first time.
 */
void template_cache_report_broken(struct template_cache *cache, const char *image);

/* Write one pollfd for each template to `fds`, which has room for TEMPLATE_CACHE_MAX. Returns how
 * many. */
size_t template_cache_list_fds(const struct template_cache *cache, struct pollfd *fds);

/* Receive the templates that makers have sent, according to `fds` as template_cache_list_fds wrote
 * them and poll(2) completed them. The cache must not have changed in between. */
void template_cache_dispatch(struct template_cache *cache, const struct pollfd *fds);

/* Reap makers that have exited, kill those that do not, and drop templates while all together exceed
 * config->templates.mib. To be called at least every TEMPLATE_RETRY_US. */
void template_cache_maintain(struct template_cache *cache);

/* Kill the makers. */
void template_cache_close(struct template_cache *cache);

#endif
