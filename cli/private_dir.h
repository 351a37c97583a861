/* SPDX-License-Identifier: Apache-2.0 */
/* A private directory of this process for the balancer's socket. It is locked while the process
 * lives. The next run removes a directory whose owner was killed. */
#ifndef PE_CLI_PRIVATE_DIR_H
#define PE_CLI_PRIVATE_DIR_H

#include "base/error.h"

#define PRIVATE_DIR_MAX 80 /* bytes; the path of a socket in it must fit into sun_path */

struct private_dir {
    char path[PRIVATE_DIR_MAX]; /* "" when there is none */
    int lock;                   /* descriptor of the locked file in it, or -1 */
};

/* Remove directories that killed runs of this user left behind, and create a new one with mode 0700
 * below $XDG_RUNTIME_DIR or /tmp. PE_ERR_INTERNAL when it cannot be created or locked; there is none
 * then. */
int private_dir_make(struct private_dir *directory, struct pe_error *err) PE_MUST_CHECK;

/* Remove the directory with everything in it. Does nothing when there is none. */
void private_dir_remove(struct private_dir *directory);

#endif
