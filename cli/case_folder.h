/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of cases, as people who set problems keep them: NAME.in is an input, NAME.out or NAME.ans the
 * output that is expected. */
#ifndef PE_CLI_CASE_FOLDER_H
#define PE_CLI_CASE_FOLDER_H

#include "base/error.h"
#include "proto/stages.h"

#include <stdbool.h>
#include <stddef.h>

struct case_pair {
    char name[PE_STAGE_NAME_MAX + 1]; /* of the case: that of the files without what is behind the last dot */
    const char *answer;               /* what is behind the dot of the answer: "out" or "ans"; NULL: none */
};

struct case_folder {
    struct case_pair *items; /* owned; sorted as strverscmp(3) does, so "2" is in front of "10" */
    size_t count;
};

/* Read the names in the directory at `path`. Other files, hidden ones and directories are ignored.
 * `needs_answers`: an input without an answer is an error. PE_ERR_INVALID names what is wrong: no input at
 * all, an answer without an input, two answers, one of them that is not a regular file, a name that is too
 * long. PE_ERR_TOO_LARGE beyond PE_CASES_MAX. The caller frees `folder`, also after a failure. */
int case_folder_read(const char *path, bool needs_answers, struct case_folder *folder,
                     struct pe_error *err) PE_MUST_CHECK;

/* Free what it owns. The struct is zero then. */
void case_folder_free(struct case_folder *folder);
#define autocasefolder __attribute__((cleanup(case_folder_free)))

#endif
