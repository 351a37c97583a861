/* SPDX-License-Identifier: Apache-2.0 */
/* From the path to the key of a job. What is forgotten, and where, is job_forget_result()'s part. */
#include "lb/api/results.h"

#include "base/io.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"

#include <string.h>

static int digit_value(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = digit ? strchr(digits, digit) : NULL;
    return at ? (int)(at - digits) : -1;
}

static bool parse_key(h2o_iovec_t path, struct job_key *key)
{
    size_t before = strlen(RESULTS_PATH);
    if (path.len != before + 2 * sizeof key->bytes)
        return false;
    for (size_t i = 0; i < sizeof key->bytes; i++) {
        int high = digit_value(path.base[before + 2 * i]), low = digit_value(path.base[before + 2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        key->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* A wrong key and a right one are answered alike, so all tries count. Each of them costs the store a message,
 * and the log of a shared store a line. */
static struct pe_problem check_rate(struct clients *clients, const struct client_identity *who)
{
    struct pe_error err;
    struct pe_problem none = {0};
    return client_count_status(clients, &who->address, pe_now_us(), &err) < 0
               ? problem_make("too-many-requests", "%s", err.message)
               : none;
}

void api_result_delete(struct jobs *jobs, struct clients *clients, const struct access *access,
                       h2o_req_t *req)
{
    struct job_key key;
    struct client_identity who;
    struct pe_problem problem = access_identify(access, req, &who);
    if (!problem.status)
        problem = check_rate(clients, &who);
    if (!problem.status && !parse_key(req->path_normalized, &key))
        problem = problem_make("not-found", "results are deleted at " RESULTS_PATH
                                            "KEY, with the 64 hex digits of X-Result-Key");
    if (!problem.status && !job_forget_result(jobs, &key)) {
        problem = problem_make("no-capacity", "the store of results cannot be reached; try again");
        problem.retry_after_s = 1;
    }
    if (problem.status)
        http_reply_problem(req, &problem);
    else
        http_reply_empty(req);
}
