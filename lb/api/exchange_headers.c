/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of a response that say where the result came from and how long it took. */
#include "lb/api/exchange.h"

#include "base/io.h"
#include "lb/edge/http_reply.h"

#include <stdio.h>
#include <time.h>

static const struct job_result *result_of(const struct exchange *exchange)
{
    return exchange->events ? exchange->events->result : exchange->encoder.result;
}

/* RFC 9211. `stored` is sent before the last byte of the result has arrived. If the slot is
 * lost, the response is broken off as well. */
static void add_cache_status(struct exchange *exchange)
{
    static const char *const sources[] = {"", "; fwd=uri-miss; collapsed", "; hit", "; hit; detail=store"};
    char text[96];
    bool stored = result_of(exchange) && result_of(exchange)->stored_at != 0;
    if (exchange->source != SOURCE_FORWARDED)
        snprintf(text, sizeof text, "program-explorer%s", sources[exchange->source]);
    else
        snprintf(text, sizeof text, "program-explorer; fwd=%s%s",
                 exchange->caching == CACHING_USE       ? "uri-miss"
                 : exchange->caching == CACHING_REFRESH ? "request"
                                                        : "bypass",
                 stored ? "; stored" : "");
    http_reply_header(exchange->req, "cache-status", text);
}

/* With it, the client can have the result deleted. */
static void add_key(struct exchange *exchange)
{
    char text[2 * sizeof exchange->key.bytes + 1];
    for (size_t i = 0; i < sizeof exchange->key.bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", exchange->key.bytes[i]);
    http_reply_header(exchange->req, "x-result-key", text);
}

/* A weak tag (RFC 9110 section 8.8.3): equal results differ in boundaries and in the field
 * `cached`. */
static void add_validators(struct exchange *exchange)
{
    const struct job_result *result = result_of(exchange);
    char tag[64], age[24];
    size_t used = (size_t)snprintf(tag, sizeof tag, "W/\"");
    for (size_t i = 0; i < 12; i++)
        used += (size_t)snprintf(tag + used, sizeof tag - used, "%02x", exchange->key.bytes[i]);
    snprintf(tag + used, sizeof tag - used, "-%llx\"", (unsigned long long)result->stored_at);
    http_reply_header(exchange->req, "etag", tag);
    if (exchange->source != SOURCE_HIT_MEMORY && exchange->source != SOURCE_HIT_STORE)
        return;
    int64_t seconds = (int64_t)time(NULL) - result->stored_at;
    snprintf(age, sizeof age, "%lld", (long long)(seconds > 0 ? seconds : 0));
    http_reply_header(exchange->req, "age", age);
}

static int append_phases(struct pe_buf *text, const struct pe_result *fields, struct pe_error *err)
{
    static const char *const entries[PE_PHASES] = {
        "queue;dur=", ", vm;dur=", ", input;dur=", ", run;dur=", ", output;dur="};
    for (int phase = 0; phase < PE_PHASES; phase++)
        if (pe_buf_append_text(text, entries[phase], err) < 0 ||
            pe_buf_append_ms(text, fields->phase_us[phase], err) < 0)
            return -1;
    return pe_buf_append(text, "", 1, err);
}

static int append_lookup(struct pe_buf *text, const struct exchange *exchange, struct pe_error *err)
{
    if (pe_buf_append_text(text, "cache;desc=hit;dur=", err) < 0 ||
        pe_buf_append_ms(text, pe_now_us() - exchange->waiter.arrived_us, err) < 0)
        return -1;
    return pe_buf_append(text, "", 1, err);
}

/* Server-Timing (W3C) in milliseconds: the phases of the job or, for a stored result, what this
 * request took.
 * */
static void add_timing(struct exchange *exchange)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_error ignored; /* without memory the header is left out */
    bool stored = exchange->source == SOURCE_HIT_MEMORY || exchange->source == SOURCE_HIT_STORE;
    const struct pe_result *fields = exchange->events ? &exchange->events->fields : &exchange->encoder.fields;
    int failed = stored ? append_lookup(&text, exchange, &ignored) : append_phases(&text, fields, &ignored);
    if (!failed)
        http_reply_header(exchange->req, "server-timing", (const char *)text.data);
}

void exchange_add_headers(struct exchange *exchange)
{
    const struct job_result *result = result_of(exchange);
    add_cache_status(exchange);
    if (exchange->caching != CACHING_NONE && !exchange->cases)
        add_key(exchange);
    if (!result)
        return;
    if (result->stored_at)
        add_validators(exchange);
    add_timing(exchange);
}
