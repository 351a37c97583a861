/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of `pe-run mcp`. libcurl performs the requests; one poll(2) waits for them and for input. */
#include "cli/mcp_bridge.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/list.h"
#include "cli/interrupt.h"
#include "cli/mcp_message.h"
#include "cli/sse_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CALLS_MAX = 64,           /* requests at a time; more of the input waits */
    LINE_MAX_BYTES = 9 << 20, /* a message; the service takes 8 MiB */
    REPLY_MAX_BYTES = 16 << 20,
    WAIT_MS = 200,
};

/* A request that is under way. */
struct call {
    struct pe_list in_calls;
    struct transfer transfer;
    struct http_reply reply;
    struct mcp_line line;
    struct pe_buf body;
    struct sse_reader events; /* if the reply consists of events */
    bool has_events;
    bool is_answered;
    struct pe_error failure; /* why the reply was not read to its end */
};

struct bridge {
    const struct http_server *server;
    CURLM *multi;
    struct pe_list calls;
    size_t count;        /* of `calls` */
    struct pe_buf input; /* what was read and not passed on yet */
    bool skips;          /* up to the next line end: the line is too long */
    bool ended;          /* there is no more input */
};

/* ---- calls ---- */

static void free_call(struct bridge *bridge, struct call *call)
{
    if (pe_list_linked(&call->in_calls)) {
        curl_multi_remove_handle(bridge->multi, call->transfer.curl);
        pe_list_remove(&call->in_calls);
        bridge->count--;
    }
    transfer_free(&call->transfer);
    http_reply_free(&call->reply);
    mcp_line_free(&call->line);
    pe_buf_free(&call->body);
    sse_reader_free(&call->events);
    free(call);
}

static void free_bridge(struct bridge *bridge)
{
    while (bridge->calls.next != &bridge->calls)
        free_call(bridge, pe_list_entry(bridge->calls.next, struct call, in_calls));
    pe_buf_free(&bridge->input);
    curl_multi_cleanup(bridge->multi);
}

static int print(const void *bytes, size_t size, struct pe_error *err)
{
    if (fwrite(bytes, 1, size, stdout) == size && fflush(stdout) == 0)
        return 0;
    return pe_fail_errno(err, "cannot write to standard output");
}

static int print_error(const json_t *id, enum mcp_failure code, const char *why, struct pe_error *err)
{
    pe_autobuf struct pe_buf line = {0};
    return mcp_append_failure(id, code, why, &line, err) < 0 ? -1 : print(line.data, line.size, err);
}

static int print_failure(const json_t *id, const char *why, struct pe_error *err)
{
    return print_error(id, MCP_INTERNAL, why, err);
}

/* Print a message of the service, which is one line of JSON; anything else comes from something in between,
 * and `*is_printed` is false then. `*is_answer` is set if it is the answer to a request, and not a
 * notification. */
static int print_message(const struct pe_buf *text, bool *is_printed, bool *is_answer, struct pe_error *err)
{
    __attribute__((cleanup(mcp_line_free))) struct mcp_line message = {0};
    struct pe_error ignored;
    size_t size = text->size;
    while (size && strchr("\r\n", text->data[size - 1]))
        size--;
    *is_printed = size && !memchr(text->data, '\n', size) &&
                  mcp_line_read(text->data, size, &message, &ignored) == 0 &&
                  json_object_get(message.json, "jsonrpc");
    if (!*is_printed)
        return 0;
    *is_answer = !json_object_get(message.json, "method");
    return print(text->data, size, err) < 0 ? -1 : print("\n", 1, err);
}

/* ---- events ---- */

static int on_event(void *context, const struct pe_buf *data, struct pe_error *err)
{
    struct call *call = context;
    bool is_printed = false;
    if (call->is_answered)
        return pe_fail(err, PE_ERR_MALFORMED, "the server sent something behind its answer");
    if (print_message(data, &is_printed, &call->is_answered, err) < 0)
        return -1;
    return is_printed ? 0 : pe_fail(err, PE_ERR_MALFORMED, "the server sent an event that is no message");
}

static bool is_event_stream(const struct call *call)
{
    const char *type = NULL;
    curl_easy_getinfo(call->transfer.curl, CURLINFO_CONTENT_TYPE, &type);
    return type && http_type_is(type, "text/event-stream");
}

/* Notifications are printed as they arrive; everything else waits for its end. */
static size_t on_reply(char *bytes, size_t one, size_t size, void *context)
{
    struct call *call = context;
    struct pe_buf *body = &call->reply.body;
    (void)one; /* libcurl documents that it is always 1 */
    call->has_events |= body->size == 0 && is_event_stream(call);
    int failed = call->has_events ? sse_reader_feed(&call->events, bytes, size, &call->failure)
                                  : pe_buf_append(body, bytes, size, &call->failure);
    return failed ? 0 : size;
}

/* ---- the end of a reply ---- */

static int print_reply(struct call *call, struct pe_error *err)
{
    bool is_printed = false;
    char why[128];
    if (call->is_answered)
        return 0;
    if (!call->has_events && print_message(&call->reply.body, &is_printed, &call->is_answered, err) < 0)
        return -1;
    if (is_printed)
        return 0;
    if (call->has_events)
        return print_failure(call->line.id, "the server ended its reply without an answer", err);
    snprintf(why, sizeof why, "the server answered with status %ld", call->reply.status);
    return print_failure(call->line.id, why, err);
}

static int print_end(struct call *call, CURLcode code, struct pe_error *err)
{
    struct pe_error why;
    if (call->failure.kind == PE_ERR_INTERNAL) { /* standard output is gone */
        *err = call->failure;
        return -1;
    }
    if (call->is_answered)
        return 0;
    if (call->failure.kind)
        return print_failure(call->line.id, call->failure.message, err);
    if (transfer_finish(&call->transfer, code, &why) < 0)
        return print_failure(call->line.id, why.message, err);
    return print_reply(call, err);
}

static int finish_call(struct bridge *bridge, struct call *call, CURLcode code, struct pe_error *err)
{
    int failed = call->line.id ? print_end(call, code, err) : 0;
    free_call(bridge, call);
    return failed;
}

static int finish_calls(struct bridge *bridge, struct pe_error *err)
{
    int left = 0;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(bridge->multi, &left))) {
        CURLcode code = message->data.result;
        struct call *call = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        if (finish_call(bridge, call, code, err) < 0)
            return -1;
    }
    return 0;
}

static int start_transfer(struct bridge *bridge, struct call *call, struct pe_error *err)
{
    struct transfer *transfer = &call->transfer;
    if (transfer_begin(transfer, bridge->server, "/mcp", REPLY_MAX_BYTES, &call->reply, err) < 0 ||
        mcp_line_add_headers(&call->line, transfer, err) < 0)
        return -1;
    call->events = (struct sse_reader){.line = {.limit = REPLY_MAX_BYTES},
                                       .data = {.limit = REPLY_MAX_BYTES},
                                       .on_event = on_event,
                                       .context = call};
    curl_easy_setopt(transfer->curl, CURLOPT_WRITEFUNCTION, on_reply);
    curl_easy_setopt(transfer->curl, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(transfer->curl, CURLOPT_PRIVATE, call);
    curl_easy_setopt(transfer->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.size);
    curl_easy_setopt(transfer->curl, CURLOPT_POSTFIELDS, call->body.data);
    if (curl_multi_add_handle(bridge->multi, transfer->curl) != CURLM_OK)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot start libcurl");
    pe_list_append(&bridge->calls, &call->in_calls);
    bridge->count++;
    return 0;
}

/* Closing the connection cancels the job. */
static void cancel(struct bridge *bridge, const json_t *id)
{
    pe_list_for_each(node, &bridge->calls)
    {
        struct call *call = pe_list_entry(node, struct call, in_calls);
        if (call->line.id && json_equal(call->line.id, id)) {
            free_call(bridge, call);
            return;
        }
    }
}

/* ---- input ---- */

static int pass_on(struct bridge *bridge, const uint8_t *bytes, size_t size, struct pe_error *err)
{
    struct pe_error why;
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        return pe_fail_errno(err, "out of memory for a message");
    if (mcp_line_read(bytes, size, &call->line, &why) < 0) {
        free_call(bridge, call);
        return print_error(NULL, why.kind == PE_ERR_MALFORMED ? MCP_NO_JSON : MCP_NO_MESSAGE, why.message,
                           err);
    }
    if (!call->line.id) { /* the service keeps no state that another notification could change */
        if (call->line.canceled)
            cancel(bridge, call->line.canceled);
        free_call(bridge, call);
        return 0;
    }
    int failed = 0;
    if (pe_buf_append(&call->body, bytes, size, &why) < 0 || start_transfer(bridge, call, &why) < 0) {
        failed = print_failure(call->line.id, why.message, err);
        free_call(bridge, call);
    }
    return failed;
}

static bool is_blank(const uint8_t *line, size_t size)
{
    size_t i = 0;
    while (i < size && strchr(" \t\r", line[i]) && line[i])
        i++;
    return i == size;
}

/* Pass on the lines that are complete, as long as there is room for more requests. */
static int pass_lines(struct bridge *bridge, struct pe_error *err)
{
    struct pe_buf *input = &bridge->input;
    const uint8_t *end;
    while (bridge->count < CALLS_MAX && input->size && (end = memchr(input->data, '\n', input->size))) {
        size_t size = (size_t)(end - input->data);
        bool is_empty = is_blank(input->data, size);
        int failed = bridge->skips || is_empty ? 0 : pass_on(bridge, input->data, size, err);
        bridge->skips = false;
        pe_buf_consume(input, size + 1);
        if (failed)
            return -1;
    }
    if (bridge->count < CALLS_MAX && input->size >= LINE_MAX_BYTES) {
        bool first = !bridge->skips;
        bridge->skips = true;
        input->size = 0;
        return first ? print_error(NULL, MCP_NO_MESSAGE,
                                   "a message has too many bytes: at most 8 MiB are allowed", err)
                     : 0;
    }
    return 0;
}

static int read_input(struct bridge *bridge, struct pe_error *err)
{
    struct pe_buf *input = &bridge->input;
    if (pe_buf_reserve(input, 65536, err) < 0)
        return -1;
    ssize_t got = read(STDIN_FILENO, input->data + input->size, 65536);
    if (got < 0 && errno != EINTR && errno != EAGAIN)
        return pe_fail_errno(err, "cannot read standard input");
    if (got > 0)
        input->size += (size_t)got;
    if (got != 0)
        return 0;
    bridge->ended = true; /* the last line may have no end */
    return input->size ? pe_buf_append(input, "\n", 1, err) : 0;
}

/* ---- the loop ---- */

static int wait_once(struct bridge *bridge, struct pe_error *err)
{
    struct curl_waitfd input = {.fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN};
    bool listens = !bridge->ended && bridge->input.size < LINE_MAX_BYTES;
    int running = 0;
    CURLMcode code = curl_multi_perform(bridge->multi, &running);
    if (code == CURLM_OK)
        code = curl_multi_poll(bridge->multi, &input, listens, WAIT_MS, NULL);
    if (code != CURLM_OK)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot wait for %s: %s", bridge->server->url,
                       curl_multi_strerror(code));
    if (interrupt_check(err) < 0)
        return -1;
    if (bridge->server->check && bridge->server->check(bridge->server->context, err) < 0)
        return -1;
    if (finish_calls(bridge, err) < 0)
        return -1;
    return listens && input.revents ? read_input(bridge, err) : 0;
}

int mcp_bridge_run(const struct http_server *server, struct pe_error *err)
{
    __attribute__((cleanup(free_bridge))) struct bridge bridge = {.server = server,
                                                                  .multi = curl_multi_init()};
    pe_list_init(&bridge.calls);
    if (!bridge.multi)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot start libcurl");
    while (!bridge.ended || bridge.count || bridge.input.size)
        if (wait_once(&bridge, err) < 0 || pass_lines(&bridge, err) < 0)
            return -1;
    return 0;
}
