/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and decoding of the slot protocol's text messages. Lists of parts are in proto/slot_parts.c, and
 * the members of live messages in proto/slot_live.c. */
#include "proto/slot.h"

#include "base/cleanup.h"
#include "codec/json_bounds.h"
#include "codec/json_reader.h"
#include "codec/json_writer.h"
#include "proto/hello.h"
#include "proto/limits.h"
#include "proto/metadata.h"

#include <string.h>

static const char *const kind_names[] = {"hello",  "ready", "job",     "result",   "end",    "cancel",
                                         "error",  "watch", "input",   "eof",      "resize", "signal",
                                         "output", "taken", "welcome", "withdraw", "return"};

enum { KIND_COUNT = sizeof kind_names / sizeof *kind_names };

/* Parts of an `output`: the streams take turns as long as there is room in one binary message. */
enum { LIVE_PARTS_MAX = 64 };

enum { PROBLEM_VALUES_MAX = 256 }; /* values in the JSON of a problem, which has a few texts */

/* ---- decoding ---- */

static int copy_text(const json_t *json, const char *key, char *text, size_t size, struct pe_error *err)
{
    const char *value = json_string_value(json_object_get(json, key));
    if (!value || strlen(value) >= size)
        return pe_fail(err, PE_ERR_MALFORMED, "'%s' must be a string of at most %zu bytes", key, size - 1);
    memcpy(text, value, strlen(value) + 1);
    return 0;
}

static int copy_isolation(const json_t *json, enum pe_isolation *isolation, struct pe_error *err)
{
    char name[16];
    if (copy_text(json, "isolation", name, sizeof name, err) < 0)
        return -1;
    if (pe_isolation_parse(name, isolation, err) == 0)
        return 0;
    err->kind = PE_ERR_MALFORMED;
    return pe_fail_context(err, "'isolation'");
}

static int hello_from_json(const json_t *json, struct pe_hello *hello, struct pe_error *err)
{
    if (copy_text(json, "host", hello->host, sizeof hello->host, err) < 0 ||
        copy_text(json, "arch", hello->arch, sizeof hello->arch, err) < 0 ||
        copy_text(json, "cpu", hello->cpu, sizeof hello->cpu, err) < 0 ||
        copy_text(json, "vmm", hello->vmm, sizeof hello->vmm, err) < 0 ||
        copy_isolation(json, &hello->isolation, err) < 0)
        return -1;
    json_int_t slots = json_integer_value(json_object_get(json, "slots"));
    if (slots < 0 || slots > 4096)
        return pe_fail(err, PE_ERR_MALFORMED, "'slots' is out of range");
    hello->slots = (uint32_t)slots;
    json_int_t vms = json_integer_value(json_object_get(json, "vms"));
    if (vms < 0 || vms > 4096)
        return pe_fail(err, PE_ERR_MALFORMED, "'vms' is out of range");
    hello->vms = (uint32_t)vms;
    hello->draining = json_is_true(json_object_get(json, "draining"));
    json_int_t live = json_integer_value(json_object_get(json, "live"));
    if (live < 0 || live > UINT32_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "'live' is out of range");
    hello->live = (uint32_t)live;
    json_t *images = json_object_get(json, "images");
    if (!json_is_array(images) || json_array_size(images) > PE_HELLO_IMAGES_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "'images' must be an array");
    size_t patterns = 0;
    for (size_t i = 0; i < json_array_size(images); i++) {
        patterns += pe_metadata_count_patterns(json_array_get(images, i));
        if (patterns > PE_HELLO_PATTERNS_MAX)
            return pe_fail(err, PE_ERR_MALFORMED, "all images together have over %u patterns of file names",
                           PE_HELLO_PATTERNS_MAX);
        pe_autoimage struct pe_image image = {0};
        if (pe_image_from_json(json_array_get(images, i), &image, err) < 0)
            return -1;
        if (json_array_set_new(images, i, pe_image_to_json(&image)) < 0) /* without fields that are unknown */
            return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the images of a worker");
    }
    hello->images = json_incref(images);
    return 0;
}

/* `hello` is rare and large, so it is decoded with the JSON library. */
static int decode_hello(const void *text, size_t size, struct pe_hello *hello, struct pe_error *err)
{
    if (pe_json_check_bounds(text, size, PE_HELLO_VALUES_MAX, err) < 0)
        return -1;
    pe_autojson json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    if (!json)
        return pe_fail(err, PE_ERR_MALFORMED, "it is not JSON");
    return hello_from_json(json, hello, err);
}

static int decode_problem(struct pe_cursor text, struct pe_problem *problem, struct pe_error *err)
{
    if (pe_json_check_bounds(text.at, text.left, PROBLEM_VALUES_MAX, err) < 0)
        return -1;
    pe_autojson json_t *json = json_loadb((const char *)text.at, text.left, JSON_REJECT_DUPLICATES, NULL);
    return pe_problem_from_json(json, problem, err);
}

/* Which members a message has, as far as they are required. */
struct members {
    char kind[16];
    bool has_protocol, has_host, has_result, has_parts, has_bytes;
    struct pe_cursor job, problem; /* their text; empty: missing */
};

static void parse_id(struct pe_json_reader *reader, struct pe_message *message)
{
    pe_json_parse_text(reader, message->id, sizeof message->id);
    for (const char *at = message->id; *at; at++)
        if (!(*at >= 'a' && *at <= 'z') && !(*at >= 'A' && *at <= 'Z') && !(*at >= '0' && *at <= '9') &&
            *at != '_' && *at != '-')
            pe_json_fault(reader, "'id' has characters that are not allowed");
}

/* `size` of `input`, or `bytes` of `taken`. */
static void parse_bytes(struct pe_json_reader *reader, struct members *members, struct pe_message *message)
{
    message->bytes = (uint32_t)pe_json_parse_number(reader, PE_LIVE_WINDOW);
    members->has_bytes = message->bytes > 0;
}

static void parse_trace(struct pe_json_reader *reader, struct pe_message *message)
{
    char text[PE_TRACEPARENT_SIZE + 1];
    struct pe_trace trace;
    pe_json_parse_text(reader, text, sizeof text);
    if (!pe_traceparent_parse(text, strlen(text), &trace))
        pe_json_fault(reader, "'traceparent' is not valid");
    memcpy(trace.state, message->trace.state, sizeof trace.state); /* it may stand before */
    message->trace = trace;
}

static void parse_trace_state(struct pe_json_reader *reader, struct pe_message *message)
{
    char text[PE_TRACESTATE_SIZE + 1];
    pe_json_parse_text(reader, text, sizeof text);
    const struct pe_cursor value = {.at = (const uint8_t *)text, .left = strlen(text)};
    if (!pe_tracestate_parse(&value, 1, &message->trace))
        pe_json_fault(reader, "'tracestate' is not valid");
}

static void parse_signal(struct pe_json_reader *reader, struct pe_message *message)
{
    message->signal = (int)pe_json_parse_number(reader, 64);
    if (!pe_live_signal_is_allowed(message->signal))
        pe_json_fault(reader, "'signal' is none that a program may be sent");
}

/* Parse a member that only messages of live jobs have. Returns false if it is none. */
static bool parse_live_member(struct pe_json_reader *reader, const char *key, struct members *members,
                              struct pe_message *message)
{
    if (!strcmp(key, "input"))
        pe_live_input_parse(reader, &message->input);
    else if (!strcmp(key, "live"))
        message->live = (uint32_t)pe_json_parse_number(reader, UINT32_MAX);
    else if (!strcmp(key, "size") || !strcmp(key, "bytes"))
        parse_bytes(reader, members, message);
    else if (!strcmp(key, "rows"))
        message->window.rows = pe_window_side_parse(reader);
    else if (!strcmp(key, "cols"))
        message->window.cols = pe_window_side_parse(reader);
    else if (!strcmp(key, "signal"))
        parse_signal(reader, message);
    else
        return false;
    return true;
}

static void parse_member(struct pe_json_reader *reader, const char *key, struct members *members,
                         struct pe_message *message)
{
    if (!strcmp(key, "type")) {
        pe_json_parse_text(reader, members->kind, sizeof members->kind);
    } else if (!strcmp(key, "protocol")) {
        message->protocol = (uint32_t)pe_json_parse_number(reader, UINT32_MAX);
        members->has_protocol = true;
    } else if (!strcmp(key, "id")) {
        parse_id(reader, message);
    } else if (!strcmp(key, "host")) {
        pe_json_parse_text(reader, message->host, sizeof message->host);
        members->has_host = true;
    } else if (!strcmp(key, "warm")) {
        if (!pe_json_parse_null(reader))
            pe_json_parse_text(reader, message->warm, sizeof message->warm);
    } else if (!strcmp(key, "job")) {
        members->job = pe_json_parse_raw(reader);
    } else if (!strcmp(key, "queue_us")) {
        message->queue_us = pe_json_parse_number(reader, UINT64_MAX);
    } else if (!strcmp(key, "traceparent")) {
        parse_trace(reader, message);
    } else if (!strcmp(key, "tracestate")) {
        parse_trace_state(reader, message);
    } else if (!strcmp(key, "result")) {
        pe_result_parse_json(reader, &message->result);
        members->has_result = true;
    } else if (!strcmp(key, "parts")) {
        pe_parts_parse_json(reader, &message->parts);
        members->has_parts = true;
    } else if (!strcmp(key, "folders")) {
        pe_parts_parse_folders_json(reader, &message->parts);
    } else if (!strcmp(key, "problem")) {
        members->problem = pe_json_parse_raw(reader);
    } else if (!strcmp(key, "shared")) {
        message->shared = (uint32_t)pe_json_parse_number(reader, UINT32_MAX);
    } else if (!parse_live_member(reader, key, members, message)) {
        pe_json_skip(reader);
    }
}

static int find_kind(const char *name, enum pe_message_kind *kind, struct pe_error *err)
{
    if (!name[0])
        return pe_fail(err, PE_ERR_MALFORMED, "a slot message is not an object with a 'type'");
    for (int i = 0; i < KIND_COUNT; i++)
        if (!strcmp(kind_names[i], name)) {
            *kind = (enum pe_message_kind)i;
            return 0;
        }
    return pe_fail(err, PE_ERR_MALFORMED, "a slot message has an unknown type");
}

static int require(bool there, const char *member, struct pe_error *err)
{
    return there ? 0 : pe_fail(err, PE_ERR_MALFORMED, "'%s' is missing", member);
}

/* Live output has bytes of the two streams, as many as one binary message can have. */
static int check_output(const struct pe_message *message, struct pe_error *err)
{
    uint64_t size = pe_parts_size(&message->parts);
    for (size_t i = 0; i < message->parts.count; i++)
        if (message->parts.items[i].kind != PE_PART_STDOUT && message->parts.items[i].kind != PE_PART_STDERR)
            return pe_fail(err, PE_ERR_MALFORMED, "a part is neither stdout nor stderr");
    if (size == 0 || size > PE_SLOT_BINARY_MAX || message->parts.count > LIVE_PARTS_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "it has %llu bytes in %zu parts", (unsigned long long)size,
                       message->parts.count);
    return 0;
}

/* Check the members of a message that only live jobs have, and whose `id` is there. */
static int check_live_members(const struct members *members, const struct pe_message *message,
                              struct pe_error *err)
{
    switch (message->kind) {
    case PE_MESSAGE_INPUT:
        return require(members->has_bytes, "size", err);
    case PE_MESSAGE_TAKEN:
        return require(members->has_bytes, "bytes", err);
    case PE_MESSAGE_RESIZE:
        return require(message->window.rows && message->window.cols, "rows' and 'cols", err);
    case PE_MESSAGE_SIGNAL:
        return require(message->signal, "signal", err);
    case PE_MESSAGE_OUTPUT:
        return require(members->has_parts, "parts", err) < 0 ? -1 : check_output(message, err);
    default:
        return 0;
    }
}

/* Check that the message has the members that its kind requires, and decode those that are objects.
 */
static int check_members(const struct members *members, const void *text, size_t size,
                         struct pe_message *message, struct pe_error *err)
{
    switch (message->kind) {
    case PE_MESSAGE_HELLO:
        return decode_hello(text, size, &message->hello, err);
    case PE_MESSAGE_READY:
        return require(members->has_host, "host", err);
    case PE_MESSAGE_JOB:
        if (require(message->id[0], "id", err) < 0 || require(members->has_parts, "parts", err) < 0)
            return -1;
        return pe_job_spec_decode((const char *)members->job.at, members->job.left, &message->job, err);
    case PE_MESSAGE_RESULT:
        if (require(message->id[0], "id", err) < 0 || require(members->has_parts, "parts", err) < 0)
            return -1;
        return require(members->has_result, "result", err);
    case PE_MESSAGE_ERROR:
        if (require(message->id[0], "id", err) < 0)
            return -1;
        return decode_problem(members->problem, &message->problem, err);
    case PE_MESSAGE_WELCOME:
        return require(message->shared, "shared", err);
    case PE_MESSAGE_WITHDRAW:
        return 0;
    case PE_MESSAGE_END:
    case PE_MESSAGE_CANCEL:
    case PE_MESSAGE_RETURN:
        return require(message->id[0], "id", err);
    default:
        return require(message->id[0], "id", err) < 0 ? -1 : check_live_members(members, message, err);
    }
    return -1;
}

/* Clear only the members that the caller may read or free. Clearing the whole struct for every
 * message is measurable. */
static void clear(struct pe_message *message)
{
    message->protocol = PE_SLOT_PROTOCOL;
    message->id[0] = message->host[0] = message->warm[0] = '\0';
    message->hello.images = NULL;
    message->queue_us = 0;
    message->trace.trace_id[0] = message->trace.state[0] = '\0';
    message->live = message->shared = message->bytes = 0;
    message->input.open = false;
    message->window = (struct pe_window){0};
    message->signal = 0;
    message->job = (struct pe_job_spec){0};
    message->job_text = (struct pe_cursor){0};
    message->parts = (struct pe_parts){0};
}

/* Workers of version 1 do not send a version. */
static int check_version(const struct members *members, struct pe_message *message, struct pe_error *err)
{
    bool has_version = !strcmp(members->kind, "hello") || !strcmp(members->kind, "ready");
    if (has_version && !members->has_protocol)
        message->protocol = 1;
    if (message->protocol == PE_SLOT_PROTOCOL)
        return 0;
    return pe_fail(err, PE_ERR_INVALID,
                   "the worker speaks version %u of the slot protocol, the balancer version %u; upgrade the "
                   "older one",
                   message->protocol, PE_SLOT_PROTOCOL);
}

int pe_message_decode(const void *text, size_t size, struct pe_message *message, struct pe_error *err)
{
    struct pe_json_reader reader = pe_json_read(text, size);
    struct members members = {0};
    char key[16];
    clear(message);
    if (size > PE_SLOT_TEXT_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "a slot message has %zu bytes", size);
    pe_json_enter(&reader, '{');
    while (pe_json_next_member(&reader, key, sizeof key))
        parse_member(&reader, key, &members, message);
    /* The version is checked first, because the members of another version may have other forms. */
    if (check_version(&members, message, err) < 0)
        return -1;
    if (pe_json_ended(&reader, err) < 0)
        return pe_fail_context(err, "slot message '%s'", members.kind);
    if (find_kind(members.kind, &message->kind, err) < 0)
        return -1;
    if (check_members(&members, text, size, message, err) < 0)
        return pe_fail_context(err, "slot message '%s'", members.kind);
    return 0;
}

/* ---- encoding ---- */

static void append_json(struct pe_json_writer *writer, const char *name, json_t *json)
{
    pe_autojson json_t *owned = json;
    pe_autofree char *text = owned ? json_dumps(owned, JSON_COMPACT) : NULL;
    if (text)
        pe_json_append_raw(writer, name, text, strlen(text));
    else if (!writer->failed)
        writer->failed = pe_fail(writer->err, PE_ERR_INTERNAL, "encoding '%s' of a slot message", name) < 0;
}

static void append_hello(struct pe_json_writer *writer, const struct pe_hello *hello)
{
    pe_json_append_text(writer, "host", hello->host);
    pe_json_append_text(writer, "arch", hello->arch);
    pe_json_append_text(writer, "cpu", hello->cpu);
    pe_json_append_text(writer, "vmm", hello->vmm);
    pe_json_append_text(writer, "isolation", pe_isolation_name(hello->isolation));
    pe_json_append_number(writer, "slots", hello->slots);
    pe_json_append_number(writer, "vms", hello->vms);
    pe_json_append_bool(writer, "draining", hello->draining);
    if (hello->live)
        pe_json_append_number(writer, "live", hello->live);
    append_json(writer, "images", json_incref(hello->images));
}

static void append_trace(struct pe_json_writer *writer, const struct pe_trace *trace)
{
    char text[PE_TRACEPARENT_SIZE + 1];
    if (!pe_trace_is_set(trace))
        return;
    pe_traceparent_format(trace, text);
    pe_json_append_text(writer, "traceparent", text);
    if (trace->state[0])
        pe_json_append_text(writer, "tracestate", trace->state);
}

static void append_job(struct pe_json_writer *writer, const struct pe_message *message)
{
    if (message->job_text.left)
        pe_json_append_raw(writer, "job", message->job_text.at, message->job_text.left);
    else
        append_json(writer, "job", pe_job_spec_to_json(&message->job));
    pe_json_append_number(writer, "queue_us", message->queue_us);
    append_trace(writer, &message->trace);
    pe_live_input_append(writer, &message->input);
    pe_parts_append_json(writer, &message->parts);
}

static void append_result(struct pe_json_writer *writer, const struct pe_message *message)
{
    pe_json_open(writer, "result", '{');
    pe_result_append_members(&message->result, writer);
    pe_json_close(writer, '}');
    pe_parts_append_json(writer, &message->parts);
    pe_parts_append_folders_json(writer, &message->parts);
}

static void append_ready(struct pe_json_writer *writer, const struct pe_message *message)
{
    pe_json_append_text(writer, "host", message->host);
    if (message->warm[0])
        pe_json_append_text(writer, "warm", message->warm);
    if (message->live)
        pe_json_append_number(writer, "live", message->live);
    if (message->shared)
        pe_json_append_number(writer, "shared", message->shared);
}

/* Append the members besides `type`, `id` and `protocol`. */
static void append_members(struct pe_json_writer *writer, const struct pe_message *message)
{
    switch (message->kind) {
    case PE_MESSAGE_HELLO:
        append_hello(writer, &message->hello);
        break;
    case PE_MESSAGE_READY:
        append_ready(writer, message);
        break;
    case PE_MESSAGE_JOB:
        append_job(writer, message);
        break;
    case PE_MESSAGE_RESULT:
        append_result(writer, message);
        break;
    case PE_MESSAGE_ERROR:
        append_json(writer, "problem", pe_problem_to_json(&message->problem));
        break;
    case PE_MESSAGE_INPUT:
        pe_json_append_number(writer, "size", message->bytes);
        break;
    case PE_MESSAGE_TAKEN:
        pe_json_append_number(writer, "bytes", message->bytes);
        break;
    case PE_MESSAGE_RESIZE:
        pe_window_append(writer, &message->window);
        break;
    case PE_MESSAGE_SIGNAL:
        pe_json_append_number(writer, "signal", (uint64_t)message->signal);
        break;
    case PE_MESSAGE_OUTPUT:
        pe_parts_append_json(writer, &message->parts);
        break;
    case PE_MESSAGE_WELCOME:
        pe_json_append_number(writer, "shared", message->shared);
        break;
    case PE_MESSAGE_END:
    case PE_MESSAGE_CANCEL:
    case PE_MESSAGE_WATCH:
    case PE_MESSAGE_EOF:
    case PE_MESSAGE_WITHDRAW:
    case PE_MESSAGE_RETURN:
        break;
    }
}

int pe_message_encode(const struct pe_message *message, struct pe_buf *out, struct pe_error *err)
{
    const bool names_worker = message->kind == PE_MESSAGE_HELLO || message->kind == PE_MESSAGE_READY;
    const bool names_job =
        !names_worker && message->kind != PE_MESSAGE_WELCOME && message->kind != PE_MESSAGE_WITHDRAW;
    struct pe_json_writer writer = pe_json_write(out, err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "type", kind_names[message->kind]);
    if (names_worker)
        pe_json_append_number(&writer, "protocol", PE_SLOT_PROTOCOL);
    if (names_job)
        pe_json_append_text(&writer, "id", message->id);
    append_members(&writer, message);
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}

uint64_t pe_slot_transfer_us(uint64_t bytes)
{
    return bytes * 1000000 / PE_SLOT_BYTES_PER_S;
}

void pe_message_free(struct pe_message *message)
{
    json_decref(message->hello.images);
    pe_job_spec_free(&message->job);
    pe_parts_free(&message->parts);
    clear(message);
}
