/* SPDX-License-Identifier: Apache-2.0 */
/* Problems of a worker or a server. What is accepted is the same after it was encoded and decoded. */
#include "proto/job_spec.h"
#include "proto/problem.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_problem problem, again;
    struct pe_error err;
    pe_autojson json_t *json = size ? json_loadb((const char *)bytes, size, 0, NULL) : NULL;
    if (pe_problem_from_json(json, &problem, &err) < 0)
        return 0;
    HOLDS(problem.status >= 400 && problem.status <= 599);
    pe_autojson json_t *encoded = pe_problem_to_json(&problem);
    HOLDS(encoded && pe_problem_from_json(encoded, &again, &err) == 0);
    HOLDS(problem.status == again.status && !strcmp(problem.type, again.type));
    HOLDS(!strcmp(problem.title, again.title) && !strcmp(problem.detail, again.detail));
    return 0;
}
