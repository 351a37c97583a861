/* The state file of a cloud-hypervisor snapshot: the texts of its config.json and state.json in one. And its
 * memory.
 *
 *   "pe-cloud-hypervisor-1 " config bytes " " state bytes "\n" config state
 *
 * state.json stays as it is: its numbers are 64 bits unsigned, more than our JSON library has. */
#ifndef PE_WORKER_VMM_CH_STATE_H
#define PE_WORKER_VMM_CH_STATE_H

#include "base/buffer.h"
#include "base/error.h"
#include "worker/vmm/vmm.h"

#include <jansson.h>

/* Pack what vm.snapshot left in `folder` into `state_fd`, an empty file. */
int ch_state_pack(const char *folder, int state_fd, struct pe_error *err) PE_MUST_CHECK;

/* A packed state again: config.json parsed, state.json's text. Both are the caller's. */
int ch_state_unpack(int state_fd, json_t **config, struct pe_buf *state, struct pe_error *err) PE_MUST_CHECK;

/* Copy the memory of a paused VM from its file in `folder` to `memory_fd`, a file of the same size without
 * content; holes stay holes. */
int ch_state_copy_memory(const char *folder, int memory_fd, struct pe_error *err) PE_MUST_CHECK;

#endif
