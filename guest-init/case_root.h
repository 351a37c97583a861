/* SPDX-License-Identifier: Apache-2.0 */
/* The files of one case, or of one checker: an overlay over all that the container has, and one over /work.
 * The program sees the files as the stages left them and may write everywhere as before, but what it writes
 * is gone when it has ended. /output and /dev/shm are empty. /dev is read-only, as it cannot be covered by an
 * overlay.
 *
 * The container keeps its mount namespace. pivot_root(2) changes the root of the processes in it, which are
 * pe-shim and the one that will become the program, and later changes it back. */
#ifndef PE_GUEST_INIT_CASE_ROOT_H
#define PE_GUEST_INIT_CASE_ROOT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct case_root {
    int root; /* O_PATH: / of the container, as the stages left it; -1: not opened yet */
    bool entered;
};

#define CASE_ROOT_NONE ((struct case_root){.root = -1})

/* Who gets the files, and how large they may become. */
struct case_user {
    pid_t shim;
    int pidfd;              /* of the shim */
    uint64_t scratch_bytes; /* of the files that are written, and the same again in /dev/shm */
};

/* Give the container such files. Only pe-shim and the process that becomes the program may run in it.
 * IPC objects that the program before has left are removed. PE_ERR_INTERNAL if it fails; then nothing of
 * the container has changed. */
int case_root_enter(struct case_root *files, const struct case_user *user,
                    struct pe_error *err) PE_MUST_CHECK;

/* Take the files away. No program may run in the container. Does nothing if there are none. PE_ERR_INTERNAL
 * if it fails; then no other program may be started in the container. */
int case_root_leave(struct case_root *files, const struct case_user *user,
                    struct pe_error *err) PE_MUST_CHECK;

/* Close the descriptor. */
void case_root_free(struct case_root *files);

#endif
