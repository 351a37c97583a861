/* A directory of this run alone, for the balancer's socket. It is locked while we live; one whose owner was
 * killed is swept by the next run. */
#ifndef PE_CLI_PRIVATE_DIR_H
#define PE_CLI_PRIVATE_DIR_H

#include "base/error.h"

#define PRIVATE_DIR_MAX 80 /* bytes of its path: a socket's path in it has to fit in sun_path */

struct private_dir {
    char path[PRIVATE_DIR_MAX]; /* empty: none */
    int lock;
};

/* Sweep what killed runs of this user left, and make a new one (mode 0700) below $XDG_RUNTIME_DIR or /tmp. */
int private_dir_make(struct private_dir *directory, struct pe_error *err) PE_MUST_CHECK;

/* Remove it with everything in it. */
void private_dir_remove(struct private_dir *directory);

#endif
