/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of stages in the arguments of a job, one stage after another. guest-init/stage_run.c runs each. */
#include "guest-init/stages.h"

#include "guest-init/stage_plan.h"
#include "guest-init/stage_run.h"
#include "proto/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_CANNOT_EXECUTE = 126 };

/* pe-init cuts stdout at PE_STDOUT_BYTES_MAX. A report that stays below is never cut. */
#define REPORT_MAX (PE_STDOUT_BYTES_MAX - 16u * 1024u)

bool stages_are_requested(char *const *arguments)
{
    return !strcmp(arguments[0], PE_STAGES_PROGRAM) && arguments[1] &&
           !strcmp(arguments[1], PE_STAGES_ARGUMENT);
}

/* Run one stage. True if the next one may run. */
static bool run_stage(struct stage_run *run, const struct stage *stage)
{
    const struct stage_order order = {.stage = stage, .input = -1};
    run_report_frame(&run->report, PE_STAGE_BEGIN, stage->name, strlen(stage->name));
    stage_run_program(run, &order);
    run_report_end(&run->report, &run->result);
    return run->result.end == PE_STAGE_EXITED && WEXITSTATUS(run->result.wait_status) == 0;
}

int stages_run(char *const *arguments)
{
    struct stage stages[PE_STAGES_MAX] = {0};
    struct stage_run run;
    size_t count = arguments[2] ? stage_plan_read(arguments + 3, stages) : 0;
    if (count == 0) {
        dprintf(STDERR_FILENO, "pe-shim: the arguments are not a valid plan of stages\n");
        return EXIT_CANNOT_EXECUTE;
    }
    if (stage_run_prepare(&run, REPORT_MAX) < 0 || (*arguments[2] && unlink(arguments[2]) < 0)) {
        dprintf(STDERR_FILENO, "pe-shim: preparing the stages: %s\n", strerror(errno));
        return EXIT_CANNOT_EXECUTE;
    }
    for (size_t i = 0; i < count && run_stage(&run, &stages[i]); i++)
        ;
    return 0;
}
