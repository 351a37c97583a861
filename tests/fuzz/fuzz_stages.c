/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of stages, which a guest writes as the stdout of its job. The first byte of the input says
 * whether there is a compile stage. A report has no more output than bytes, and the reply that Piston's
 * clients get is JSON whatever the report is. */
#include "base/cleanup.h"
#include "lb/piston/reply.h"
#include "proto/job_spec.h"
#include "proto/stages.h"
#include "tests/fuzz/fuzz.h"

static void check_stage(const struct pe_stage_report *stage)
{
    bool whole = stage->ended && (stage->end == PE_STAGE_EXITED || stage->end == PE_STAGE_SIGNALED);
    HOLDS(stage->name[0] && strlen(stage->name) <= PE_STAGE_NAME_MAX);
    HOLDS(!stage->ended || (stage->end >= 0 && stage->end < PE_STAGE_ENDS));
    HOLDS(stage->both.size == stage->out.size + stage->error.size);
    HOLDS(stage->out_held == 0 && stage->error_held == 0);
    HOLDS(!whole || (stage->code >= 0 && stage->code <= 255 && stage->signal >= 0 && stage->signal <= 127));
}

static void check_report(const void *bytes, size_t size)
{
    pe_autostages struct pe_stages stages = {0};
    struct pe_error err;
    size_t total = 0;
    if (pe_stages_read(bytes, size, &stages, &err) < 0)
        return;
    HOLDS(stages.count <= PE_STAGES_MAX);
    for (size_t i = 0; i < stages.count; i++) {
        check_stage(&stages.items[i]);
        total += stages.items[i].both.size;
    }
    HOLDS(total <= size);
}

static void check_reply(bool compiled, const void *bytes, size_t size)
{
    static size_t account;
    pe_autobuf struct pe_buf body = {0};
    const struct piston_request request = {.language = "c", .version = "14.2.0", .compiled = compiled};
    const struct pe_result fields = {.status = PE_STATUS_EXITED};
    struct pe_parts parts = {0};
    struct pe_error err;
    HOLDS(pe_parts_add(&parts, PE_PART_STDOUT, NULL, size, 0, &err) == 0);
    struct job_result *result = job_result_new(&account, &fields, &parts, &err);
    HOLDS(result && job_result_append(result, bytes, size, &err) == 0);
    HOLDS(piston_reply_encode(&request, result, &body, &err) == 0);
    pe_autojson json_t *json = json_loadb((const char *)body.data, body.size, JSON_ALLOW_NUL, NULL);
    HOLDS(json_is_object(json_object_get(json, "run")));
    HOLDS(json_is_object(json_object_get(json, "compile")) == compiled);
    job_result_unref(result);
    HOLDS(account == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    bool compiled = fuzz_byte(&rest) % 2;
    check_report(rest.at, rest.left);
    check_reply(compiled, rest.at, rest.left);
    return 0;
}
