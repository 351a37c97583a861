/* The headers of a result that say where it came from and what it took. */
#include "lb/api/exchange.h"

#include "base/io.h"
#include "lb/edge/http_reply.h"

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

static int put_phases(struct pe_buf *text, const struct pe_result *result, struct pe_error *err)
{
    static const char *const entries[PE_PHASES] = {
        "queue;dur=", ", vm;dur=", ", input;dur=", ", run;dur=", ", output;dur="};
    for (int phase = 0; phase < PE_PHASES; phase++)
        if (pe_buf_append_text(text, entries[phase], err) < 0 ||
            pe_buf_append_ms(text, result->phase_us[phase], err) < 0)
            return -1;
    return pe_buf_append(text, "", 1, err);
}

static int put_lookup(struct pe_buf *text, const struct run *run, struct pe_error *err)
{
    if (pe_buf_append_text(text, "cache;desc=hit;dur=", err) < 0 ||
        pe_buf_append_ms(text, pe_now_us() - run->arrived_us, err) < 0)
        return -1;
    return pe_buf_append(text, "", 1, err);
}

/* Server-Timing (W3C), milliseconds: the job's phases; of a stored result only what this request took. */
static void add_timing(struct run *run)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_error ignored; /* without memory there is no header */
    bool stored = run->source == RUN_HIT_MEMORY || run->source == RUN_HIT_STORE;
    int failed =
        stored ? put_lookup(&text, run, &ignored) : put_phases(&text, &run->response.result, &ignored);
    if (!failed)
        answer_header(run->req, "server-timing", (const char *)text.data);
}

void run_add_headers(struct run *run)
{
    add_cache_status(run);
    if (run->response.outcome->stored_at)
        add_validators(run);
    add_timing(run);
}
