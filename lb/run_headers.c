/* The headers of a result that say where it came from and what it took. */
#include "lb/run.h"

#include "base/io.h"
#include "lb/answer.h"

#include <stdio.h>
#include <time.h>

/* RFC 9211. `stored` is said before the last byte has come: should the slot be lost, the response breaks off
 * as well. */
static void add_cache_status(struct run *run)
{
    static const char *const sources[] = {"", "; fwd=uri-miss; collapsed", "; hit", "; hit; detail=store"};
    char text[96];
    bool stored = run->response.outcome->stored_at != 0;
    if (run->source != RUN_FORWARDED)
        snprintf(text, sizeof text, "program-explorer%s", sources[run->source]);
    else
        snprintf(text, sizeof text, "program-explorer; fwd=%s%s",
                 run->caching == RUN_CACHE_USE       ? "uri-miss"
                 : run->caching == RUN_CACHE_REFRESH ? "request"
                                                     : "bypass",
                 stored ? "; stored" : "");
    answer_header(run->req, "cache-status", text);
}

/* A weak tag (RFC 9110 section 8.8.3): boundaries and the mark `cached` differ between equal results. */
static void add_validators(struct run *run)
{
    const struct outcome *outcome = run->response.outcome;
    char tag[64], age[24];
    size_t used = (size_t)snprintf(tag, sizeof tag, "W/\"");
    for (size_t i = 0; i < 12; i++)
        used += (size_t)snprintf(tag + used, sizeof tag - used, "%02x", run->key.bytes[i]);
    snprintf(tag + used, sizeof tag - used, "-%llx\"", (unsigned long long)outcome->stored_at);
    answer_header(run->req, "etag", tag);
    if (run->source != RUN_HIT_MEMORY && run->source != RUN_HIT_STORE)
        return;
    int64_t seconds = (int64_t)time(NULL) - outcome->stored_at;
    snprintf(age, sizeof age, "%lld", (long long)(seconds > 0 ? seconds : 0));
    answer_header(run->req, "age", age);
}

static size_t put_timing(char *text, size_t size, const char *name, uint64_t us)
{
    return (size_t)snprintf(text, size, "%s;dur=%llu.%03u", name, (unsigned long long)(us / 1000),
                            (unsigned)(us % 1000));
}

/* Server-Timing (W3C), milliseconds: the job's phases; of a stored result only what this request took. */
static void add_timing(struct run *run)
{
    static const char *const phase_entries[PE_PHASES] = {"queue", ", vm", ", input", ", run", ", output"};
    char text[(PE_PHASES + 1) * 48] = "";
    size_t used = 0;
    if (run->source == RUN_HIT_MEMORY || run->source == RUN_HIT_STORE) {
        snprintf(text, sizeof text, "cache;desc=hit;dur=%.3f",
                 (double)(pe_now_us() - run->arrived_us) / 1000);
        answer_header(run->req, "server-timing", text);
        return;
    }
    for (int phase = 0; phase < PE_PHASES; phase++)
        used += put_timing(text + used, sizeof text - used, phase_entries[phase],
                           run->response.result.phase_us[phase]);
    answer_header(run->req, "server-timing", text);
}

void run_add_headers(struct run *run)
{
    add_cache_status(run);
    if (run->response.outcome->stored_at)
        add_validators(run);
    add_timing(run);
}
