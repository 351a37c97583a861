/* SPDX-License-Identifier: Apache-2.0 */
/* What clients send. The limits that a client meets are in judge.c. */
#include "tests/model/clients.h"

#include "tests/model/balancer.h"
#include "tests/model/book.h"
#include "tests/model/cases.h"
#include "tests/model/choices.h"
#include "tests/model/deletions.h"
#include "tests/model/dialects.h"
#include "tests/model/judge.h"
#include "tests/model/output.h"
#include "tests/model/questions.h"

#include <string.h>

void clients_reset(void)
{
    judge_reset();
    questions_reset();
    deletions_reset();
    requests_reset();
}

/* ---- bodies ---- */

size_t client_file_size(unsigned payload)
{
    static const size_t sizes[PAYLOADS] = {0, 100, 1000, 150000, 1, 2, 3, 4};
    return sizes[payload];
}

uint8_t client_file_byte(unsigned payload, size_t at)
{
    return (uint8_t)('a' + (payload + at) % 26);
}

static void append(struct pe_buf *body, const char *text)
{
    struct pe_error err;
    if (pe_buf_append_text(body, text, &err) < 0)
        abort();
}

static void append_file(struct pe_buf *body, unsigned payload)
{
    struct pe_error err;
    size_t size = client_file_size(payload);
    if (pe_buf_reserve(body, size, &err) < 0)
        abort();
    for (size_t i = 0; i < size; i++)
        body->data[body->size + i] = client_file_byte(payload, i);
    body->size += size;
}

static const char *demand_text(unsigned demand)
{
    static const char *const texts[] = {"", ",\"isolation\":\"kernel\"",
                                        ",\"isolation\":[\"hardware\",\"kernel\"]"};
    return texts[demand];
}

static struct pe_isolation_set demand_set(unsigned demand)
{
    struct pe_isolation_set set = {0};
    if (demand)
        set.bits = pe_isolation_set_of(PE_ISOLATION_KERNEL).bits;
    if (demand == 2)
        set.bits |= pe_isolation_set_of(PE_ISOLATION_HARDWARE).bits;
    return set;
}

const char *client_limits_text(struct work work)
{
    return output_limit(work, LIVE_STDOUT) == output_limit((struct work){0}, LIVE_STDOUT)
               ? ""
               : ",\"stdout_max\":4096,\"stderr_max\":4096";
}

/* What is to be run: one command, or stages and cases. */
static void make_program(struct work work, char *text, size_t size)
{
    if (!work.plan) {
        snprintf(text, size, "\"cmd\":[\"payload-%u\"],\"timeout_ms\":1000%s", work.payload,
                 client_limits_text(work));
        return;
    }
    snprintf(text, size, "%s", plans[work.plan].text);
    for (char *at = strchr(text, '#'); at; at = strchr(at, '#'))
        *at = (char)('0' + work.payload);
}

static void make_body(struct request *request, unsigned demand, bool in_body)
{
    char job[768], program[512];
    struct pe_buf *body = &request->body;
    make_program(request->work, program, sizeof program);
    snprintf(job, sizeof job, "{\"image\":\"%s\",%s%s%s}", name_of_image(request->work.image), program,
             demand_text(demand), in_body && request->caching == CACHING_NONE ? ",\"cache\":false" : "");
    append(body, "--X\r\nContent-Disposition: form-data; name=\"job\"\r\n"
                 "Content-Type: application/json\r\n\r\n");
    append(body, job);
    append(body, "\r\n--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in\"\r\n\r\n");
    append_file(body, request->work.payload);
    append(body, request->is_malformed ? "\r\n--" : "\r\n--X--\r\n");
}

/* ---- requests ---- */

static void add_id(struct request *request)
{
    if (chance(50))
        return;
    snprintf(request->id, sizeof request->id, "%032x", chance(10) ? 7 : 1000 + request->number);
    request->has_id = true;
    for (unsigned i = 0; i < REQUESTS && requests[i]; i++)
        request->has_id &=
            requests[i] == request || !requests[i]->has_id || strcmp(requests[i]->id, request->id) != 0;
    request_header(request, "x-request-id", request->id);
}

static struct cases_told *make_told(void)
{
    struct cases_told *told = calloc(1, sizeof *told);
    if (!told)
        abort();
    return told;
}

static void choose_format(struct request *request)
{
    static const char *const formats[] = {"application/json", "multipart/form-data", "application/x-cpio",
                                          "application/x-ndjson", "text/event-stream"};
    unsigned format = chance(options.watchers) ? 3 + choose(2) : choose(request->work.plan ? 1 : 3);
    request_header(request, "accept", formats[format]);
    if (format >= 3)
        request->watcher = watcher_make(format == 3 ? EVENT_FRAMING_LINES : EVENT_FRAMING_SSE);
    if (request->watcher && request->work.plan)
        request->watcher->cases = make_told();
}

static void add_form_headers(struct request *request, bool in_body)
{
    request_header(request, "content-type", "multipart/form-data; boundary=X");
    choose_format(request);
    if (request->caching == CACHING_REFRESH)
        request_header(request, "cache-control", "no-cache");
    if (request->caching == CACHING_NONE && !in_body)
        request_header(request, "cache-control", "no-store");
    if (request->work.salt)
        request_header(request, "x-cache-salt", "salt");
}

static void add_headers(struct request *request)
{
    request->wait_us = options.queue_wait_us;
    if (chance(15)) {
        request_header(request, "prefer", "wait=1");
        request->wait_us = request->wait_us < 1000000 ? request->wait_us : 1000000;
    }
    add_id(request);
}

static void choose_request(struct request *request)
{
    static const enum caching_mode modes[] = {CACHING_USE,     CACHING_USE,  CACHING_USE,
                                              CACHING_REFRESH, CACHING_NONE, CACHING_USE};
    static const unsigned payloads[] = {0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7};
    unsigned demand = chance(30) ? 1 + choose(2) : 0;
    bool in_body = chance(50);
    request->client = choose(CLIENTS);
    request->work =
        (struct work){.image = choose(IMAGES), .payload = payloads[choose(14)], .salt = chance(10) ? 1 : 0};
    request->demand = demand_set(demand);
    request->work.plan = chance(options.cases) ? 1 + choose(PLANS_OF_CASES - 1) : 0;
    request->caching = modes[choose(6)];
    request->is_malformed = chance(2);
    if (options.is_busy) {
        request->client = chance(20) ? request->client : 0;
        request->work.image = chance(20) ? request->work.image : 0;
        request->caching = chance(20) ? request->caching : CACHING_NONE;
    }
    if (chance(options.dialects)) {
        request->work.plan = 0;
        request->work.api = (enum api)(1 + choose(APIS - 1));
        dialect_choose(request);
    } else {
        make_body(request, demand, in_body);
        add_form_headers(request, in_body);
    }
    add_headers(request);
    request->req.entity = h2o_iovec_init(request->body.data, request->body.size);
}

void client_send(void)
{
    if (chance(options.sessions)) {
        session_open();
        return;
    }
    struct request *request = request_make();
    if (!request)
        return;
    choose_request(request);
    TRACE("request %u of client %u by API %d: image %u, payload %u, plan %u, salt %u, demand %x, caching %d, "
          "wait %llu "
          "ms%s",
          request->number, request->client, (int)request->work.api, request->work.image,
          request->work.payload, request->work.plan, request->work.salt, request->demand.bits,
          (int)request->caching, (unsigned long long)request->wait_us / 1000,
          request->is_malformed ? ", malformed" : "");
    book_sync();
    judge_arrival(request);
    if (request->work.api)
        dialect_send(request);
    else
        exchange_accept(&balancer.exchanges, &native_dialect, &request->req);
    book_sync();
    judge_accepted(request);
}

static unsigned count_open(void)
{
    unsigned count = 0;
    while (count < REQUESTS && requests[count])
        count++;
    return count;
}

void client_read(void)
{
    unsigned count = count_open();
    if (count)
        request_read(requests[choose(count)]);
}

void client_type(void)
{
    unsigned count = count_open(), at = choose(REQUESTS);
    for (unsigned i = 0; i < count; i++, at++)
        if (requests[at % count]->session) {
            session_act(requests[at % count]);
            return;
        }
}

void client_hang_up(void)
{
    unsigned count = count_open();
    if (count)
        request_hang_up(requests[choose(count)]);
}

void clients_read_all(void)
{
    for (unsigned i = 0; i < REQUESTS && requests[i]; i++)
        request_read(requests[i]);
}

void clients_hang_up_all(void)
{
    for (unsigned i = count_open(); i > 0; i--) /* some of them end at once */
        request_hang_up(requests[i - 1]);
}
