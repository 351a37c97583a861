/* The programs that pe-run starts for itself: begun, watched and ended. */
#ifndef PE_CLI_CHILD_H
#define PE_CLI_CHILD_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct child {
    const char *name; /* of the program */
    pid_t pid;        /* 0: none, or ended */
    int log_fd;       /* what it wrote to stderr, or -1 when that is our own */
    int status;       /* of waitpid, once it ended */
};

/* Start program `name` (found by base/home.h) with `argv` (NULL-terminated; argv[0] is filled in). It dies
 * with us, in a process group of its own so that a Ctrl-C reaches us alone. It inherits `inherit_fd` (-1:
 * none) under the same number, and nothing else but stdin from /dev/null and stderr, which is kept aside
 * unless `is_verbose`. */
int child_start(struct child *child, const char *name, const char **argv, int inherit_fd, bool is_verbose,
                struct pe_error *err) PE_MUST_CHECK;

/* PE_ERR_LOST, with how it ended, when it runs no longer. */
int child_check(struct child *child, struct pe_error *err) PE_MUST_CHECK;

/* Show the last lines that it wrote, if any were kept aside. */
void child_show_log(const struct child *child);

/* Ask the children to end and wait up to five seconds for all of them together, then kill them. */
void children_stop(struct child *children, size_t count);

#endif
