/* SPDX-License-Identifier: Apache-2.0 */
/* The root directory of VMMs: a small file system in memory that has nothing but the files of a
 * struct jail_files, mounted read-only from the host, and a /proc that shows only the VMM's own
 * processes.
 *
 * It is built once, in a mount namespace that consists of nothing else and lives as long as somebody has
 * it open. So nothing is mounted where the host could see it, and nothing remains after a kill -9.
 * Each VMM gets a copy of that namespace. */
#ifndef PE_WORKER_VMM_JAIL_ROOT_H
#define PE_WORKER_VMM_JAIL_ROOT_H

#include "base/error.h"
#include "worker/vmm/jail_files.h"

/* Build the root and return a descriptor of its mount namespace, which the caller owns. `run_dir`
 * is an existing folder of the host. It exists in the root as well, as an empty folder, in which
 * jail_root_enter puts the folder of one VM. Fails with PE_ERR_INTERNAL, e.g. without CAP_SYS_ADMIN. */
int jail_root_build(const struct jail_files *files, const char *run_dir, struct pe_error *err) PE_MUST_CHECK;

/* Take a folder of the host along into the root. Returns a descriptor for jail_root_enter, which the
 * caller owns, or -1 with errno. */
int jail_root_take(const char *folder);

/* Called in a new process that has a PID namespace of its own: move to a copy of the root. `folder`
 * is from jail_root_take, and appears at `folder_path`, a path directly below the run_dir of
 * jail_root_build. -1: there is none. Uses system calls only. Returns 0, or -1 with errno. */
int jail_root_enter(int root, const char *run_dir, int folder, const char *folder_path);

/* Where mounts are not allowed: an empty folder, for a VMM that opens nothing by path. It has been removed
 * from `run_dir`, so nothing can be created in it either. The caller owns the descriptor. Fails with
 * PE_ERR_INTERNAL. */
int jail_root_make_empty(const char *run_dir, struct pe_error *err) PE_MUST_CHECK;

/* Called in a new process: make that folder the root directory. Needs CAP_SYS_CHROOT. Uses system calls
 * only. Returns 0, or -1 with errno. */
int jail_root_enter_empty(int root);

#endif
