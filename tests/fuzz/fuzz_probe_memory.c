/* SPDX-License-Identifier: Apache-2.0 */
/* The file in which a worker remembers what its engines can do. What is read is the same after it was
 * written and read again. */
#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "worker/vmm/probe_findings.h"

static int read_bytes(struct probe_memory *memory, const void *bytes, size_t size)
{
    char path[32];
    pe_autoclose int fd = fuzz_file(bytes, size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return probe_memory_read(memory, "host", path);
}

static void check_findings(const struct probe_findings *a, const struct probe_findings *b)
{
    bool works = false; /* nobody tries again what comes after an engine that works */
    size_t other = 0;
    HOLDS(a->count <= ENGINES_MAX);
    for (size_t i = 0; i < a->count; i++) {
        const struct probe_finding *one = &a->items[i];
        works |= one->verdict == PROBE_WORKS;
        if (works && one->verdict == PROBE_UNDECIDED)
            continue;
        HOLDS(other < b->count && !strcmp(one->engine, b->items[other].engine));
        HOLDS(one->verdict == b->items[other].verdict && !strcmp(one->why, b->items[other].why));
        other++;
    }
    HOLDS(other == b->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char path[64];
    struct probe_memory memory, again;
    struct pe_error err;
    if (!read_bytes(&memory, bytes, size))
        return 0;
    snprintf(path, sizeof path, "/dev/shm/pe-fuzz-probe-%d", (int)getpid());
    HOLDS(probe_memory_write(&memory, "host", path, &err) == 0);
    HOLDS(probe_memory_read(&again, "host", path) == 1);
    unlink(path);
    HOLDS(!strcmp(memory.engine, again.engine) && !strcmp(memory.reason, again.reason));
    check_findings(&memory.findings, &again.findings);
    return 0;
}
