/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and decoding of the slot protocol's text messages. Names of files are percent-encoded in
 * JSON, because file names in Linux are bytes and JSON is UTF-8. */
#include "proto/slot.h"

#include "base/cleanup.h"
#include "codec/json_bounds.h"
#include "codec/json_reader.h"
#include "codec/json_writer.h"
#include "proto/limits.h"
#include "proto/metadata.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {"hello", "ready", "job", "result", "end", "cancel", "error"};
static const char *const part_names[] = {"file", "stdout", "stderr", "combined", "folder"};

enum { KIND_COUNT = sizeof kind_names / sizeof *kind_names };

/* The parts of a job are its files. The parts of a result are stdout, stderr, both combined if
 * the job wants it, its files and its folders. */
#define PARTS_MAX ((PE_INPUT_FILES_MAX > PE_OUTPUT_FILES_MAX ? PE_INPUT_FILES_MAX : PE_OUTPUT_FILES_MAX) + 3)

/* The first allocation of a list has room for this many parts: every result has stdout and stderr.
 */
enum { PARTS_FIRST = 2 };

enum { PROBLEM_VALUES_MAX = 256 }; /* values in the JSON of a problem, which has a few texts */

/* ---- parts ---- */

int pe_parts_add(struct pe_parts *parts, enum pe_part_kind kind, const struct pe_path *path, uint64_t size,
                 uint32_t mode, struct pe_error *err)
{
    size_t count = parts->count;
    if (count == 0 || (count >= PARTS_FIRST && (count & (count - 1)) == 0)) { /* grow at powers of two */
        size_t capacity = count ? count * 2 : PARTS_FIRST;
        struct pe_part *items = realloc(parts->items, capacity * sizeof *items);
        if (!items)
            return pe_fail_errno(err, "%zu parts", capacity);
        parts->items = items;
    }
    struct pe_part *part = &parts->items[parts->count++];
    part->kind = kind;
    part->size = size;
    part->mode = mode & 07777;
    part->mtime = 0;
    part->path.length = path ? path->length : 0;
    memcpy(part->path.text, path ? path->text : "", part->path.length + 1);
    return 0;
}

uint64_t pe_parts_size(const struct pe_parts *parts)
{
    uint64_t size = 0;
    for (size_t i = 0; i < parts->count; i++)
        size += parts->items[i].size;
    return size;
}

void pe_parts_free(struct pe_parts *parts)
{
    free(parts->items);
    *parts = (struct pe_parts){0};
}

static const char *percent_encode(const struct pe_path *path, char text[3 * PE_PATH_MAX + 1])
{
    static const char digits[] = "0123456789ABCDEF";
    char *at = text;
    for (size_t i = 0; i < path->length; i++) {
        unsigned char c = (unsigned char)path->text[i];
        if (c > 0x20 && c < 0x7f && c != '%') {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    *at = '\0';
    return text;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int percent_decode(const char *text, struct pe_path *path, struct pe_error *err)
{
    char bytes[PE_PATH_MAX + 1];
    size_t n = 0;
    for (; *text && n < sizeof bytes; text++) {
        int value = (unsigned char)*text;
        if (*text == '%') {
            int high = hex_value(text[1]);
            int low = high < 0 ? -1 : hex_value(text[2]);
            if (low < 0)
                return pe_fail(err, PE_ERR_MALFORMED, "a file name has an invalid percent escape");
            value = high * 16 + low;
            text += 2;
        }
        bytes[n++] = (char)value;
    }
    return pe_path_parse(bytes, n, 0, path, err);
}

static void append_attributes(struct pe_json_writer *writer, const struct pe_part *part)
{
    char name[3 * PE_PATH_MAX + 1];
    pe_json_append_text(writer, "name", percent_encode(&part->path, name));
    pe_json_append_number(writer, "mode", part->mode);
    if (part->mtime)
        pe_json_append_number(writer, "mtime", part->mtime);
}

static void append_parts(struct pe_json_writer *writer, const struct pe_parts *parts)
{
    pe_json_open(writer, "parts", '[');
    for (size_t i = 0; i < parts->count; i++) {
        const struct pe_part *part = &parts->items[i];
        if (part->kind == PE_PART_FOLDER)
            continue;
        pe_json_open(writer, NULL, '{');
        pe_json_append_text(writer, "kind", part_names[part->kind]);
        pe_json_append_number(writer, "size", part->size);
        if (part->kind == PE_PART_FILE)
            append_attributes(writer, part);
        pe_json_close(writer, '}');
    }
    pe_json_close(writer, ']');
}

/* Folders are a member of their own, which older balancers ignore. */
static void append_folders(struct pe_json_writer *writer, const struct pe_parts *parts)
{
    pe_json_open(writer, "folders", '[');
    for (size_t i = 0; i < parts->count; i++) {
        if (parts->items[i].kind != PE_PART_FOLDER)
            continue;
        pe_json_open(writer, NULL, '{');
        append_attributes(writer, &parts->items[i]);
        pe_json_close(writer, '}');
    }
    pe_json_close(writer, ']');
}

static enum pe_part_kind parse_part_kind(struct pe_json_reader *reader)
{
    char name[16];
    int kind = 0;
    pe_json_parse_text(reader, name, sizeof name);
    while (kind < PE_PART_FOLDER && strcmp(part_names[kind], name) != 0)
        kind++;
    if (kind == PE_PART_FOLDER)
        pe_json_fault(reader, "a part has an unknown kind");
    return kind < PE_PART_FOLDER ? (enum pe_part_kind)kind : PE_PART_FILE;
}

static void parse_part_name(struct pe_json_reader *reader, struct pe_path *path)
{
    char name[3 * PE_PATH_MAX + 1];
    struct pe_error ignored;
    pe_json_parse_text(reader, name, sizeof name);
    if (percent_decode(name, path, &ignored) < 0)
        pe_json_fault(reader, "a part has no valid name");
}

enum part_member { HAS_KIND = 1, HAS_SIZE = 2, HAS_NAME = 4 };

/* Parse the members of a part. Returns which of enum part_member it has. */
static unsigned parse_members_of_part(struct pe_json_reader *reader, struct pe_part *part)
{
    char key[8];
    unsigned has = 0;
    pe_json_enter(reader, '{');
    while (pe_json_next_member(reader, key, sizeof key))
        if (!strcmp(key, "kind")) {
            part->kind = parse_part_kind(reader);
            has |= HAS_KIND;
        } else if (!strcmp(key, "size")) {
            part->size = pe_json_parse_number(reader, PE_INPUT_BYTES_MAX);
            has |= HAS_SIZE;
        } else if (!strcmp(key, "name")) {
            parse_part_name(reader, &part->path);
            has |= HAS_NAME;
        } else if (!strcmp(key, "mode")) {
            part->mode = (uint32_t)pe_json_parse_number(reader, 07777);
        } else if (!strcmp(key, "mtime")) {
            part->mtime = (uint32_t)pe_json_parse_number(reader, UINT32_MAX);
        } else {
            pe_json_skip(reader);
        }
    return has;
}

static void add_part(struct pe_json_reader *reader, const struct pe_part *part, struct pe_parts *parts)
{
    struct pe_error ignored;
    if (reader->fault)
        return;
    if (parts->count == PARTS_MAX)
        pe_json_fault(reader, "there are too many parts");
    else if (pe_parts_add(parts, part->kind, &part->path, part->size, part->mode, &ignored) < 0)
        pe_json_fault(reader, "no memory for the parts");
    else if (parts->items)
        parts->items[parts->count - 1].mtime = part->mtime;
}

static void parse_part(struct pe_json_reader *reader, struct pe_parts *parts)
{
    struct pe_part part = {0};
    unsigned has = parse_members_of_part(reader, &part);
    if (!(has & HAS_KIND) || !(has & HAS_SIZE) || (part.kind == PE_PART_FILE && !(has & HAS_NAME)))
        pe_json_fault(reader, "a part has no kind, size or name");
    add_part(reader, &part, parts);
}

static void parse_parts(struct pe_json_reader *reader, struct pe_parts *parts)
{
    if (parts->count)
        pe_json_fault(reader, "'parts' occurs twice, or behind 'folders'");
    pe_json_enter(reader, '[');
    while (pe_json_next_element(reader))
        parse_part(reader, parts);
    if (pe_parts_size(parts) > PE_INPUT_BYTES_MAX)
        pe_json_fault(reader, "the parts have too many bytes");
}

static void parse_folders(struct pe_json_reader *reader, struct pe_parts *parts)
{
    if (parts->count && parts->items[parts->count - 1].kind == PE_PART_FOLDER)
        pe_json_fault(reader, "'folders' occurs twice");
    pe_json_enter(reader, '[');
    while (pe_json_next_element(reader)) {
        struct pe_part folder = {0};
        if (!(parse_members_of_part(reader, &folder) & HAS_NAME))
            pe_json_fault(reader, "a folder has no name");
        folder.kind = PE_PART_FOLDER;
        folder.size = 0;
        add_part(reader, &folder, parts);
    }
}

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
    json_t *images = json_object_get(json, "images");
    if (!json_is_array(images) || json_array_size(images) > 4096)
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
            return pe_fail(err, PE_ERR_INTERNAL, "no memory for the images of a worker");
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
    bool has_protocol, has_host, has_result, has_parts;
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
    } else if (!strcmp(key, "result")) {
        pe_result_parse_json(reader, &message->result);
        members->has_result = true;
    } else if (!strcmp(key, "parts")) {
        parse_parts(reader, &message->parts);
        members->has_parts = true;
    } else if (!strcmp(key, "folders")) {
        parse_folders(reader, &message->parts);
    } else if (!strcmp(key, "problem")) {
        members->problem = pe_json_parse_raw(reader);
    } else {
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
    case PE_MESSAGE_END:
    case PE_MESSAGE_CANCEL:
        return require(message->id[0], "id", err);
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
    append_json(writer, "images", json_incref(hello->images));
}

static void append_job(struct pe_json_writer *writer, const struct pe_message *message)
{
    if (message->job_text.left)
        pe_json_append_raw(writer, "job", message->job_text.at, message->job_text.left);
    else
        append_json(writer, "job", pe_job_spec_to_json(&message->job));
    pe_json_append_number(writer, "queue_us", message->queue_us);
    append_parts(writer, &message->parts);
}

static void append_result(struct pe_json_writer *writer, const struct pe_message *message)
{
    pe_json_open(writer, "result", '{');
    pe_result_append_members(&message->result, writer);
    pe_json_close(writer, '}');
    append_parts(writer, &message->parts);
    append_folders(writer, &message->parts);
}

int pe_message_encode(const struct pe_message *message, struct pe_buf *out, struct pe_error *err)
{
    struct pe_json_writer writer = pe_json_write(out, err);
    pe_json_open(&writer, NULL, '{');
    pe_json_append_text(&writer, "type", kind_names[message->kind]);
    if (message->kind != PE_MESSAGE_HELLO && message->kind != PE_MESSAGE_READY)
        pe_json_append_text(&writer, "id", message->id);
    if (message->kind == PE_MESSAGE_HELLO || message->kind == PE_MESSAGE_READY)
        pe_json_append_number(&writer, "protocol", PE_SLOT_PROTOCOL);
    if (message->kind == PE_MESSAGE_HELLO)
        append_hello(&writer, &message->hello);
    if (message->kind == PE_MESSAGE_READY)
        pe_json_append_text(&writer, "host", message->host);
    if (message->kind == PE_MESSAGE_READY && message->warm[0])
        pe_json_append_text(&writer, "warm", message->warm);
    if (message->kind == PE_MESSAGE_JOB)
        append_job(&writer, message);
    if (message->kind == PE_MESSAGE_RESULT)
        append_result(&writer, message);
    if (message->kind == PE_MESSAGE_ERROR)
        append_json(&writer, "problem", pe_problem_to_json(&message->problem));
    pe_json_close(&writer, '}');
    return pe_json_finish(&writer);
}

void pe_message_free(struct pe_message *message)
{
    json_decref(message->hello.images);
    pe_job_spec_free(&message->job);
    pe_parts_free(&message->parts);
    clear(message);
}
