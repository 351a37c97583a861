/* SPDX-License-Identifier: Apache-2.0 */
/* The migrations that write and read a state. */
#include "worker/vmm/qemu_state.h"

#include "proto/job_spec.h"

#include <string.h>
#include <time.h>

static int await_migration(struct qmp *qmp, struct pe_error *err)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    for (;;) {
        pe_autojson json_t *answer = NULL;
        if (qmp_execute_plain(qmp, "query-migrate", &answer, err) < 0)
            return -1;
        const char *status = json_string_value(json_object_get(answer, "status"));
        if (status && !strcmp(status, "completed"))
            return 0;
        if (status && !strcmp(status, "failed"))
            return pe_fail(err, PE_ERR_INTERNAL, "QEMU could not write the state of the VM");
        nanosleep(&pause, NULL);
    }
}

static int ignore_shared_memory(struct qmp *qmp, struct pe_error *err)
{
    json_t *arguments =
        json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", "x-ignore-shared", "state", 1);
    return qmp_execute(qmp, "migrate-set-capabilities", arguments, -1, NULL, err);
}

int qemu_state_write(struct qmp *qmp, int state_fd, struct pe_error *err)
{
    if (qmp_execute_plain(qmp, "stop", NULL, err) < 0 || ignore_shared_memory(qmp, err) < 0 ||
        qmp_execute(qmp, "getfd", json_pack("{s:s}", "fdname", "state"), state_fd, NULL, err) < 0 ||
        qmp_execute(qmp, "migrate", json_pack("{s:s}", "uri", "fd:state"), -1, NULL, err) < 0)
        return -1;
    return await_migration(qmp, err);
}

int qemu_state_read(struct qmp *qmp, int state_fd, struct pe_error *err)
{
    if (ignore_shared_memory(qmp, err) < 0 ||
        qmp_execute(qmp, "getfd", json_pack("{s:s}", "fdname", "state"), state_fd, NULL, err) < 0 ||
        qmp_execute(qmp, "migrate-incoming", json_pack("{s:s}", "uri", "fd:state"), -1, NULL, err) < 0)
        return -1;
    return qmp_await_resume(qmp, err);
}
