/* Stages of a job (proto/stages.h): the process that would become the program runs several instead. */
#ifndef PE_GUEST_STAGES_H
#define PE_GUEST_STAGES_H

#include <stdbool.h>

/* Whether a program's arguments ask for stages. */
bool stages_are_requested(char *const *arguments);

/* Run them and report on standard output; `environ` is theirs. Returns the exit code of this process: 0 when
 * the report is complete, whatever became of the stages. */
int stages_run(char *const *arguments);

#endif
