/* SPDX-License-Identifier: Apache-2.0 */
/* A scheduler that knows one worker, for code that looks up images. One fuzzer includes it once. */
#ifndef PE_FUZZ_KNOWN_IMAGES_H
#define PE_FUZZ_KNOWN_IMAGES_H

#include "base/cleanup.h"
#include "lb/core/scheduler.h"
#include "tests/fuzz/fuzz.h"

/* The same scheduler at each call, and the only images that it knows: a JSON array of catalog entries. */
static inline const struct scheduler *scheduler_with_images(const char *images_text)
{
    static struct scheduler scheduler;
    static bool ready;
    static const struct queue_limits limits = {.jobs = 1, .bytes = 1000};
    struct pe_hello hello = {.slots = 1, .host = "h", .isolation = PE_ISOLATION_KERNEL};
    struct pe_error err;
    if (ready)
        return &scheduler;
    ready = true;
    scheduler_init(&scheduler, &limits);
    pe_autojson json_t *images = hello.images = json_loads(images_text, 0, NULL);
    HOLDS(images && scheduler_worker_hello(&scheduler, &ready, &hello, &err) == 0);
    return &scheduler;
}

#endif
