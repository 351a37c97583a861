/* SPDX-License-Identifier: Apache-2.0 */
/* The options with which the owner of a host says what the worker may use: those of pe-worker, which
 * `pe-worker join` takes as well and writes into the worker's settings. */
#ifndef PE_WORKER_OWNER_OPTIONS_H
#define PE_WORKER_OWNER_OPTIONS_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/options.h"
#include "worker/owner_hours.h"

#include <stdint.h>

#define OWNER_PAUSE_GRACE_S 60u
#define OWNER_PAUSE_GRACE_S_MAX 3600u

struct owner_options {
    struct pe_option_list hours;
    const char *cores;      /* NULL: all */
    uint64_t memory_total;  /* MiB; 0: no bound */
    uint64_t pause_grace_s; /* begins as OWNER_PAUSE_GRACE_S */
};

/* Lines of a table of options (base/options.h). */
#define OWNER_OPTIONS(owner)                                                                                \
    {"hours",        0,                                                                                     \
     "PERIOD",       "run jobs only then, as in mon-fri/20:00-08:00; may be given several times",           \
     PE_OPTION_LIST, &(owner)->hours},                                                                      \
        {"pause-grace",                                                                                     \
         0,                                                                                                 \
         "S",                                                                                               \
         "let running jobs go on for S seconds when a pause begins (default 60)",                           \
         PE_OPTION_NUMBER,                                                                                  \
         &(owner)->pause_grace_s},                                                                          \
        {"cores",        0, "CPUS", "use only so many CPUs, or those of a list, as in 4-7", PE_OPTION_TEXT, \
         &(owner)->cores},                                                                                  \
    {                                                                                                       \
        "memory-total", 0, "MIB", "lower --slots until all VMs fit into this memory", PE_OPTION_NUMBER,     \
            &(owner)->memory_total                                                                          \
    }

/* Check the options, and read the hours. PE_ERR_INVALID names the option that is wrong here. */
int owner_options_check(const struct owner_options *owner, struct owner_hours *hours,
                        struct pe_error *err) PE_MUST_CHECK;

/* Append the options that were given to a command line, each with a space before it. */
int owner_options_append(const struct owner_options *owner, struct pe_buf *text,
                         struct pe_error *err) PE_MUST_CHECK;

/* Free the list of hours. */
void owner_options_free(struct owner_options *owner);

#endif
