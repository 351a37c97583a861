/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of this worker: its choice at the start, and the search for a better one later, if one did not
 * answer in time. How engines are tried is in worker/vmm/probe.h. */
#ifndef PE_WORKER_WORKER_ENGINE_H
#define PE_WORKER_WORKER_ENGINE_H

#include "base/error.h"
#include "worker/config.h"

#include <stdbool.h>

/* Choose the engine with config->engine.probe, and set what depends on it in `config`: vm, with its jail,
 * snapshots, prewarm, engine_reason and engine_undecided. Logs the choice. `again` means that the result of
 * an earlier start is ignored. Call it before there is a VM, and after stop_signal_catch: with a stop it
 * fails, and leaves no VM. Errors are those of probe_host and vm_host_confine. */
int worker_engine_choose(struct worker_config *config, bool again, struct pe_error *err) PE_MUST_CHECK;

/* Exit status of worker_engine_retry_main: a better engine works and is remembered, so worker_engine_choose
 * chooses it. */
#define WORKER_ENGINE_BETTER 10

/* The process that tries again the engines that are undecided, after 30 s, and then after times that double
 * up to an hour. Returns the exit status: 0 if nothing is undecided any more, or a stop is requested. */
int worker_engine_retry_main(const struct worker_config *config);

#endif
