/* cloud-hypervisor's REST API over its UNIX socket: one function a call, named and typed as in its API
 * description (vmm/src/api/openapi/cloud-hypervisor.yaml there). A VMM that its guest has taken over may
 * answer anything, or nothing: every answer is bounded, every call has the deadline of its `struct ch_api`.
 * The errors carry what cloud-hypervisor says itself. */
#ifndef PE_WORKER_VMM_CH_API_H
#define PE_WORKER_VMM_CH_API_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* cloud-hypervisor refuses larger ones (micro_http's default, up to v53). */
#define CH_BODY_MAX 51200u

struct ch_api {
    void *curl;           /* owned: a libcurl handle, which keeps the connection */
    const char *socket;   /* borrowed: the socket's path */
    int pidfd;            /* borrowed: readable when the VMM has ended */
    uint64_t deadline_us; /* for everything together, on pe_now_us's clock */
};

/* Begin to talk to the VMM behind `socket`; nothing is sent yet. */
int ch_api_begin(struct ch_api *api, const char *socket, int pidfd, uint64_t deadline_us,
                 struct pe_error *err) PE_MUST_CHECK;
void ch_api_free(struct ch_api *api);
#define autochapi __attribute__((cleanup(ch_api_free)))

/* Wait for a VMM that was just started, until it accepts connections or has ended. */
int ch_api_await_socket(struct ch_api *api, struct pe_error *err) PE_MUST_CHECK;

/* vmm.ping: its release, e.g. "v53.0.0". */
int ch_api_ping(struct ch_api *api, char *version, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* vm.create with a VmConfig (stolen). The serial socket exists afterwards. */
int ch_api_create(struct ch_api *api, json_t *config, struct pe_error *err) PE_MUST_CHECK;
int ch_api_boot(struct ch_api *api, struct pe_error *err) PE_MUST_CHECK;
int ch_api_pause(struct ch_api *api, struct pe_error *err) PE_MUST_CHECK;
int ch_api_resume(struct ch_api *api, struct pe_error *err) PE_MUST_CHECK;

/* vm.snapshot into an existing folder (absolute path), which gets config.json and state.json, and
 * memory-ranges unless all RAM is in files of its own. */
int ch_api_snapshot(struct ch_api *api, const char *folder, struct pe_error *err) PE_MUST_CHECK;

/* vm.restore from such a folder. The VM is paused afterwards. */
int ch_api_restore(struct ch_api *api, const char *folder, struct pe_error *err) PE_MUST_CHECK;

/* vm.info, a VmInfo; vm.counters, a VmCounters. The answer is the caller's. */
int ch_api_info(struct ch_api *api, json_t **info, struct pe_error *err) PE_MUST_CHECK;
int ch_api_counters(struct ch_api *api, json_t **counters, struct pe_error *err) PE_MUST_CHECK;

/* vm.add-pmem with a PmemConfig (stolen). Removal ends when the guest has let go of the device, not with the
 * call. */
int ch_api_add_pmem(struct ch_api *api, json_t *pmem, struct pe_error *err) PE_MUST_CHECK;
int ch_api_remove_device(struct ch_api *api, const char *id, struct pe_error *err) PE_MUST_CHECK;

/* vm.resize; 0 leaves CPUs or memory (bytes) as they are. */
int ch_api_resize(struct ch_api *api, uint32_t cpus, uint64_t memory, struct pe_error *err) PE_MUST_CHECK;

/* The VM's end (vm.shutdown keeps its configuration, vm.delete does not), and the VMM's. */
int ch_api_shutdown(struct ch_api *api, struct pe_error *err) PE_MUST_CHECK;
int ch_api_delete(struct ch_api *api, struct pe_error *err) PE_MUST_CHECK;
int ch_api_shutdown_vmm(struct ch_api *api, struct pe_error *err) PE_MUST_CHECK;

#endif
