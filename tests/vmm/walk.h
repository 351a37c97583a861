/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the walk through the VMM drivers share. */
#ifndef PE_TESTS_VMM_WALK_H
#define PE_TESTS_VMM_WALK_H

#include "worker/vmm/jail.h"
#include "worker/vmm/vmm.h"

#include <stdbool.h>

/* Print "ok SENTENCE", or "not ok SENTENCE" and count a failure. */
void check(bool holds, const char *sentence);

/* Whether the jail of `host` reports that a protection is active. */
bool is_active(const struct vm_host *host, enum jail_protection protection);

/* Whether the file /proc/`pid`/`file` can be read and has `text` in it. */
bool proc_file_has(pid_t pid, const char *file, const char *text);

/* Check that the VMM of `vm` has the namespaces, the root directory, the cgroup and the rights that
 * the jail of `host` reports. */
void check_jail(const struct vm_host *host, const struct vm *vm);

#endif
