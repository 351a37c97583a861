/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of stages, which are the arguments of the command of a job (proto/stages.h). */
#ifndef PE_GUEST_INIT_STAGE_PLAN_H
#define PE_GUEST_INIT_STAGE_PLAN_H

#include "proto/stages.h"

#include <stddef.h>
#include <stdint.h>

struct stage {
    const char *name;
    uint64_t wall_us, cpu_us, memory_bytes;     /* 0: no limit */
    uint64_t output_bytes, error_bytes;         /* of stdout and of stderr; 0: no limit */
    uint64_t processes, file_bytes, open_files; /* 0: no limit */
    char **arguments;                           /* NULL-terminated */
};

/* Read the stages of a plan: the arguments behind the name of standard input, up to a NULL. Returns how many
 * there are, and 0 if the plan is not valid. `stages` must be zero-initialised. Its texts are those of the
 * arguments; its lists of arguments belong to the caller, also after a failure. */
size_t stage_plan_read(char *const *at, struct stage stages[PE_STAGES_MAX]);

#endif
