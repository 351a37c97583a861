/* SPDX-License-Identifier: Apache-2.0 */
/* The state file of a template, which has the configuration of a cloud-hypervisor VM. One that is
 * accepted has exactly the bytes that it announces, and the configuration of a clone names no file but
 * the clone's own. */
#include "base/cleanup.h"
#include "proto/job_spec.h"
#include "tests/fuzz/fuzz.h"
#include "worker/vmm/ch_config.h"
#include "worker/vmm/ch_state.h"

static void check_clone(json_t *config)
{
    const struct vm_spec spec = {.memory_mib = 256,
                                 .cpus = 1,
                                 .guest_options = "",
                                 .pmem = {{.fd = 3, .bytes = 2097152}, {.fd = -1}, {.fd = -1}, {.fd = -1}}};
    const struct ch_fds fds = {.memory = 10, .pmem = {11, -1, -1, -1}};
    struct pe_error err;
    if (ch_config_clone(config, &spec, &fds, "/own", &err) < 0)
        return;
    const json_t *zone = json_array_get(json_object_get(json_object_get(config, "memory"), "zones"), 0);
    const json_t *devices = json_object_get(config, "pmem"), *payload = json_object_get(config, "payload");
    HOLDS(!strcmp(json_string_value(json_object_get(zone, "file")), "/proc/self/fd/10"));
    HOLDS(json_is_false(json_object_get(zone, "shared")));
    HOLDS(json_array_size(devices) == 1);
    HOLDS(
        !strcmp(json_string_value(json_object_get(json_array_get(devices, 0), "file")), "/proc/self/fd/11"));
    HOLDS(!strcmp(json_string_value(json_object_get(payload, "kernel")), "/own/" CH_KERNEL));
    HOLDS(!json_object_get(payload, "initramfs"));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pe_autobuf struct pe_buf state = {0};
    struct pe_error err;
    pe_autojson json_t *config = NULL;
    pe_autoclose int fd = fuzz_file(bytes, size);
    if (ch_state_unpack(fd, &config, &state, &err) < 0)
        return 0;
    HOLDS(config && state.size < size);
    HOLDS(!state.size || !memcmp(state.data, bytes + size - state.size, state.size));
    check_clone(config);
    return 0;
}
