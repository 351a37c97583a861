/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes: the balancer and the worker that pe-run starts when no server is named. */
#ifndef PE_CLI_CHILD_H
#define PE_CLI_CHILD_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct child {
    const char *name; /* of the program, for messages; the caller's */
    pid_t pid;        /* 0: not started, or exited */
    int log_fd;       /* collects its stderr; -1 when it writes to ours */
    int status;       /* of waitpid(2), once it has exited */
};

/* Start the program `name`, which base/home.h finds, with the NULL-terminated `argv`; argv[0] is
 * filled in here. The child is killed when this process dies. It has a process group of its own, so
 * that Ctrl-C reaches only this process. It inherits `inherit_fd` under the same number (-1: none);
 * its stdin and stdout are /dev/null. Its stderr is collected in memory, or shared with this
 * process when `is_verbose`. children_stop releases what the child owns, also after a failure.
 * PE_ERR_INTERNAL when there is no such program or it cannot be started, and the errors of
 * pe_home_program. */
int child_start(struct child *child, const char *name, const char **argv, int inherit_fd, bool is_verbose,
                struct pe_error *err) PE_MUST_CHECK;

/* PE_ERR_LOST, saying how the child exited, when it is not running any more. */
int child_check(struct child *child, struct pe_error *err) PE_MUST_CHECK;

/* Print the last 20 lines of the collected stderr on stderr. Nothing when none was collected. */
void child_show_log(const struct child *child);

/* Send SIGTERM to the children, wait up to five seconds for all of them together, then send
 * SIGKILL. */
void children_stop(struct child *children, size_t count);

#endif
