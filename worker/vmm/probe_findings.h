/* SPDX-License-Identifier: Apache-2.0 */
/* What came out when the engines of a host were tried, and the file that keeps it between two starts. */
#ifndef PE_WORKER_VMM_PROBE_FINDINGS_H
#define PE_WORKER_VMM_PROBE_FINDINGS_H

#include "base/error.h"
#include "worker/vmm/engine_selection.h"

#include <stdbool.h>
#include <stddef.h>

enum probe_verdict {
    PROBE_WORKS,
    PROBE_FAILS,
    PROBE_UNDECIDED, /* the host was too busy to find out; the engine is to be tried again */
};

/* What came out when an engine was tried. */
struct probe_finding {
    char engine[ENGINE_NAME_MAX];
    enum probe_verdict verdict;
    char why[256]; /* unless it works */
};

struct probe_findings {
    struct probe_finding items[ENGINES_MAX];
    size_t count;
};

/* The finding about an engine; NULL: it was not tried. */
const struct probe_finding *probe_findings_of(const struct probe_findings *findings, const char *engine);

/* Add what came out, or replace what came out earlier. `why` is NULL for an engine that works. It means
 * PROBE_UNDECIDED if it is a timeout or the lack of something that the host has at other times (memory,
 * processes, descriptors, room on a disk). */
void probe_findings_set(struct probe_findings *findings, const char *engine, const struct pe_error *why);

/* Whether an engine is undecided that was tried before the first one that works, and so is better. */
bool probe_findings_are_unfinished(const struct probe_findings *findings);

/* What is remembered about a host. */
struct probe_memory {
    char engine[ENGINE_NAME_MAX];   /* the engine that was chosen */
    char reason[ENGINE_REASON_MAX]; /* and why, for people */
    struct probe_findings findings;
};

/* Write the memory to the file `path`, which is replaced as a whole. `host` is a line that names everything
 * on which the result depends. Fails with PE_ERR_INTERNAL. */
int probe_memory_write(const struct probe_memory *memory, const char *host, const char *path,
                       struct pe_error *err) PE_MUST_CHECK;

/* Read it. Returns 1 if there is a memory and it is of the same `host`; else returns 0, and `*memory` is
 * empty. */
int probe_memory_read(struct probe_memory *memory, const char *host, const char *path);

#endif
