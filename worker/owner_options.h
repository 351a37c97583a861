/* SPDX-License-Identifier: Apache-2.0 */
/* The options with which the owner of a host says what the worker may use: those of pe-worker, which
 * `pe-worker join` takes as well and writes into the worker's settings. */
#ifndef PE_WORKER_OWNER_OPTIONS_H
#define PE_WORKER_OWNER_OPTIONS_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/options.h"
#include "worker/owner_hours.h"

#include <stdbool.h>
#include <stdint.h>

#define OWNER_PAUSE_GRACE_S 60u
#define OWNER_PAUSE_GRACE_S_MAX 3600u
#define OWNER_IDLE_AFTER_S 300u
#define OWNER_IDLE_AFTER_S_MAX 86400u
#define OWNER_IDLE_CPU_PERCENT 10u

struct owner_options {
    struct pe_option_list hours;
    const char *cores;     /* NULL: all */
    uint64_t memory_total; /* MiB; 0: no bound */
    bool idle_only;
    uint64_t pause_grace_s, idle_after_s, idle_cpu_percent; /* begin as in OWNER_DEFAULTS */
};

#define OWNER_DEFAULTS                                            \
    ((struct owner_options){.pause_grace_s = OWNER_PAUSE_GRACE_S, \
                            .idle_after_s = OWNER_IDLE_AFTER_S,   \
                            .idle_cpu_percent = OWNER_IDLE_CPU_PERCENT})

/* clang-format off */
/* Lines of a table of options (base/options.h). */
#define OWNER_OPTIONS(owner)                                                                               \
    {"hours", 0, "PERIOD", "run jobs only then, as in mon-fri/20:00-08:00; repeatable", PE_OPTION_LIST,    \
     &(owner)->hours},                                                                                     \
    {"idle-only", 0, NULL, "run no jobs while the owner of this host works here", PE_OPTION_FLAG,          \
     &(owner)->idle_only},                                                                                 \
    {"idle-after", 0, "S", "the owner works until S seconds without a sign of it (default 300)",           \
     PE_OPTION_NUMBER, &(owner)->idle_after_s},                                                            \
    {"idle-cpu", 0, "PERCENT", "what other programs may use of all CPUs meanwhile (default 10)",           \
     PE_OPTION_NUMBER, &(owner)->idle_cpu_percent},                                                        \
    {"pause-grace", 0, "S", "let running jobs go on for S seconds when a pause begins (default 60)",       \
     PE_OPTION_NUMBER, &(owner)->pause_grace_s},                                                           \
    {"cores", 0, "CPUS", "use only so many CPUs, or those of a list, as in 4-7", PE_OPTION_TEXT,           \
     &(owner)->cores},                                                                                     \
    {"memory-total", 0, "MIB", "lower --slots until all VMs fit into this memory", PE_OPTION_NUMBER,       \
     &(owner)->memory_total}
/* clang-format on */

/* Check the options, and read the hours. PE_ERR_INVALID names the option that is wrong here; PE_ERR_INTERNAL
 * if the kernel does not tell which CPUs there are. */
int owner_options_check(const struct owner_options *owner, struct owner_hours *hours,
                        struct pe_error *err) PE_MUST_CHECK;

/* Append the options that were given to a command line, each with a space before it. Fails as pe_buf_append
 * does. */
int owner_options_append(const struct owner_options *owner, struct pe_buf *text,
                         struct pe_error *err) PE_MUST_CHECK;

/* Free the list of hours. */
void owner_options_free(struct owner_options *owner);

#endif
