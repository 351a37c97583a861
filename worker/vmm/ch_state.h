/* SPDX-License-Identifier: Apache-2.0 */
/* The state file of a cloud-hypervisor snapshot, which holds both config.json and state.json:
 *
 *   "pe-cloud-hypervisor-1 " config bytes " " state bytes "\n" config state
 *
 * and the copy of the VM's memory. The text of state.json is kept as it is, because its numbers are
 * unsigned and have 64 bits, which jansson cannot represent. */
#ifndef PE_WORKER_VMM_CH_STATE_H
#define PE_WORKER_VMM_CH_STATE_H

#include "base/buffer.h"
#include "base/error.h"
#include "worker/vmm/vmm.h"

#include <jansson.h>

/* Pack what vm.snapshot left in `folder` into `state_fd`, an empty file. Fails with
 * PE_ERR_NOT_FOUND if a file is missing, and with PE_ERR_INTERNAL. */
int ch_state_pack(const char *folder, int state_fd, struct pe_error *err) PE_MUST_CHECK;

/* Unpack a state file: `*config` is config.json parsed, `state` the text of state.json. The caller
 * owns both. The file's offset does not move. Fails with PE_ERR_MALFORMED if it is not such a file.
 */
int ch_state_unpack(int state_fd, json_t **config, struct pe_buf *state, struct pe_error *err) PE_MUST_CHECK;

/* Copy the memory of a paused VM from its file in `folder` to `memory_fd`, an empty file of the
 * same size. Holes stay holes. Fails with PE_ERR_INTERNAL. */
int ch_state_copy_memory(const char *folder, int memory_fd, struct pe_error *err) PE_MUST_CHECK;

#endif
