/* SPDX-License-Identifier: Apache-2.0 */
/* The host's bound on the memory mappings of one process, vm.max_map_count. Each run of pages of a guest
 * process of User Mode Linux that is contiguous in the guest's memory is a mapping of the host, so the
 * default of 65,530 is too low for some programs (docs/vms.md). */
#ifndef PE_WORKER_VMM_HOST_MAPPINGS_H
#define PE_WORKER_VMM_HOST_MAPPINGS_H

#include "base/error.h"

#include <stdint.h>

/* As many mappings as 4 GiB of single pages are. */
#define HOST_MAPPINGS_WANTED 1048576u

/* Returns 0 if vm.max_map_count is at least HOST_MAPPINGS_WANTED. Otherwise fails with PE_ERR_INVALID and
 * says what that means and how to raise it, or with PE_ERR_INTERNAL if it cannot be read. Changes nothing. */
int host_mappings_check(struct pe_error *err) PE_MUST_CHECK;

/* Raise vm.max_map_count to HOST_MAPPINGS_WANTED if it is lower. Returns 1 if it was raised, with the old
 * value in `*before`, and 0 if it was high enough. Fails as host_mappings_check does if it cannot be raised:
 * only root may, and in a container it is usually read-only. */
int host_mappings_raise(uint64_t *before, struct pe_error *err) PE_MUST_CHECK;

#endif
