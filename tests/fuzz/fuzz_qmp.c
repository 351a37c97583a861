/* SPDX-License-Identifier: Apache-2.0 */
/* What QEMU says over QMP: the input is all of it. A command that has succeeded has a value, and after
 * waiting for the VM it runs. */
#include "base/cleanup.h"
#include "base/io.h"
#include "proto/job_spec.h"
#include "tests/fuzz/fuzz.h"
#include "worker/vmm/qmp.h"

static void talk(struct qmp *qmp)
{
    struct pe_error err = {0};
    pe_autojson json_t *value = NULL;
    if (qmp_begin(qmp, &err) < 0 || qmp_execute(qmp, "query-status", json_object(), -1, &value, &err) < 0 ||
        qmp_execute_plain(qmp, "cont", NULL, &err) < 0 || qmp_await_resume(qmp, &err) < 0) {
        HOLDS(err.kind && err.message[0]);
        return;
    }
    HOLDS(value && qmp->resumed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    int other = -1;
    pe_autoclose int fd = fuzz_socket(bytes, size, &other);
    autoqmp struct qmp qmp = {.fd = fd, .deadline_us = pe_now_us() + 60000000};
    talk(&qmp);
    close(other);
    return 0;
}
