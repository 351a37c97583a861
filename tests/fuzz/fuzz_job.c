/* SPDX-License-Identifier: Apache-2.0 */
/* Job descriptions. A job that is accepted is the same after it was encoded and decoded again. */
#include "base/cleanup.h"
#include "proto/job_spec.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pe_autojobspec struct pe_job_spec job;
    pe_autojobspec struct pe_job_spec again = {0};
    struct pe_error err;
    if (pe_job_spec_decode((const char *)bytes, size, &job, &err) < 0)
        return 0;
    pe_autojson json_t *json = pe_job_spec_to_json(&job);
    HOLDS(json && pe_job_spec_from_json(json, &again, &err) == 0);
    pe_autojson json_t *json_again = pe_job_spec_to_json(&again);
    HOLDS(json_equal(json, json_again));
    json_error_t where;
    pe_autojson json_t *library =
        json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
    HOLDS(library || json_error_code(&where) == json_error_numeric_overflow);
    return 0;
}
