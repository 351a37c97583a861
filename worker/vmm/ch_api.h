/* SPDX-License-Identifier: Apache-2.0 */
/* cloud-hypervisor's REST API over its UNIX socket, one function for each call that the driver makes. Names
 * and types are those of its API description (vmm/src/api/openapi/cloud-hypervisor.yaml there). A VMM that
 * its guest has taken over may answer anything or nothing, so every answer is bounded and every call ends at
 * the deadline.
 *
 * All calls fail with PE_ERR_LOST if the VMM ends, with PE_ERR_TIMEOUT if the deadline passes, with
 * PE_ERR_MALFORMED if the answer is not what it should be, and with PE_ERR_INTERNAL and cloud-hypervisor's
 * own explanation if it refuses. */
#ifndef PE_WORKER_VMM_CH_API_H
#define PE_WORKER_VMM_CH_API_H

#include "base/error.h"
#include "worker/vmm/run_dir.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* The largest request that cloud-hypervisor accepts, in bytes (micro_http's default, up to v53). */
#define CH_BODY_MAX 51200u

struct ch_api {
    void *curl;                        /* owned: a libcurl handle, which keeps the connection open */
    const char *socket;                /* borrowed: path of the socket */
    int socket_fd;                     /* owned: that socket, found by ch_api_await_socket; -1 before */
    char address[RUN_DIR_ADDRESS_MAX]; /* where calls go: a path of socket_fd */
    int pidfd;                         /* borrowed: readable when the VMM has ended */
    uint64_t deadline_us;              /* for all calls together, on the clock of pe_now_us */
};

/* Prepare for calls to the VMM behind `socket`. Nothing is sent yet. Fails with PE_ERR_INTERNAL. */
int ch_api_begin(struct ch_api *api, const char *socket, int pidfd, uint64_t deadline_us,
                 struct pe_error *err) PE_MUST_CHECK;

/* An api of which ch_api_begin has not been called. */
#define CH_API_NONE ((struct ch_api){.pidfd = -1, .socket_fd = -1})

/* Close the connection. Harmless on CH_API_NONE. */
void ch_api_free(struct ch_api *api);
#define autochapi __attribute__((cleanup(ch_api_free)))

/* Wait until the VMM, which may have been started just now, accepts connections. Call it before the other
 * calls: they go to the socket that it has found, whatever its name means later. */
int ch_api_await_socket(struct ch_api *api, struct pe_error *err) PE_MUST_CHECK;

/* vm.create: define the VM by a VmConfig, which is consumed. The serial socket exists afterwards.
 */
int ch_api_create(struct ch_api *api, json_t *config, struct pe_error *err) PE_MUST_CHECK;

/* vm.boot: start the VM. */
int ch_api_boot(struct ch_api *api, struct pe_error *err) PE_MUST_CHECK;

/* vm.pause: stop the VM's CPUs. */
int ch_api_pause(struct ch_api *api, struct pe_error *err) PE_MUST_CHECK;

/* vm.resume: let the CPUs of a paused VM run. */
int ch_api_resume(struct ch_api *api, struct pe_error *err) PE_MUST_CHECK;

/* vm.snapshot: write config.json and state.json to `folder`, an existing folder with an absolute
 * path, and memory-ranges unless all RAM is in files of its own. */
int ch_api_snapshot(struct ch_api *api, const char *folder, struct pe_error *err) PE_MUST_CHECK;

/* vm.restore: create a VM from such a folder. The VM is paused afterwards. */
int ch_api_restore(struct ch_api *api, const char *folder, struct pe_error *err) PE_MUST_CHECK;

/* vm.resize: set the number of CPUs and the memory in bytes; 0 leaves one as it is. */
int ch_api_resize(struct ch_api *api, uint32_t cpus, uint64_t memory, struct pe_error *err) PE_MUST_CHECK;

/* vm.power-button: press it. */
int ch_api_press_power(struct ch_api *api, struct pe_error *err) PE_MUST_CHECK;

#endif
