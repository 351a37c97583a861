/* Encoding and decoding of the slot protocol's text messages. Names of files are percent-encoded in JSON,
 * since a Linux file name is bytes and JSON text is UTF-8. */
#include "proto/slot.h"

#include "base/cleanup.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {"hello", "ready", "job", "result", "end", "cancel", "error"};
static const char *const part_names[] = {"file", "stdout", "stderr"};

enum {
    KIND_COUNT = sizeof kind_names / sizeof *kind_names,
    PART_KINDS = sizeof part_names / sizeof *part_names
};

/* A result's parts are its files, stdout and stderr; a job's are its files. */
#define PARTS_MAX ((PE_INPUT_FILES_MAX > PE_OUTPUT_FILES_MAX ? PE_INPUT_FILES_MAX : PE_OUTPUT_FILES_MAX) + 2)

/* ---- parts ---- */

int pe_parts_add(struct pe_parts *parts, enum pe_part_kind kind, const struct pe_path *path, uint64_t size,
                 uint32_t mode, struct pe_error *err)
{
    if ((parts->count & (parts->count - 1)) == 0) { /* grow at powers of two */
        size_t capacity = parts->count ? parts->count * 2 : 1;
        struct pe_part *items = realloc(parts->items, capacity * sizeof *items);
        if (!items)
            return pe_fail_errno(err, "%zu parts", capacity);
        parts->items = items;
    }
    struct pe_part *part = &parts->items[parts->count++];
    *part = (struct pe_part){.kind = kind, .size = size, .mode = mode & 07777};
    if (path)
        part->path = *path;
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

static char *percent_encode(const struct pe_path *path)
{
    static const char digits[] = "0123456789ABCDEF";
    char *text = malloc(3 * path->length + 1);
    char *at = text;
    for (size_t i = 0; text && i < path->length; i++) {
        unsigned char c = (unsigned char)path->text[i];
        if (c > 0x20 && c < 0x7f && c != '%') {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    if (at)
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
                return pe_fail(err, PE_ERR_MALFORMED, "file name with a broken percent escape");
            value = high * 16 + low;
            text += 2;
        }
        bytes[n++] = (char)value;
    }
    return pe_path_parse(bytes, n, 0, path, err);
}

static json_t *parts_to_json(const struct pe_parts *parts)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < parts->count; i++) {
        const struct pe_part *part = &parts->items[i];
        json_t *item =
            json_pack("{s:s, s:I}", "kind", part_names[part->kind], "size", (json_int_t)part->size);
        if (item && part->kind == PE_PART_FILE) {
            pe_autofree char *name = percent_encode(&part->path);
            json_object_set_new(item, "name", json_string(name ? name : ""));
            json_object_set_new(item, "mode", json_integer(part->mode));
        }
        json_array_append_new(array, item);
    }
    return array;
}

static int part_from_json(const json_t *json, struct pe_parts *parts, struct pe_error *err)
{
    const char *kind_name = json_string_value(json_object_get(json, "kind"));
    int kind = 0;
    while (kind < PART_KINDS && (!kind_name || strcmp(part_names[kind], kind_name) != 0))
        kind++;
    const json_t *size = json_object_get(json, "size");
    if (kind == PART_KINDS || !json_is_integer(size) || json_integer_value(size) < 0 ||
        json_integer_value(size) > PE_INPUT_BYTES_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "part without a valid kind and size");
    struct pe_path path = {0};
    const char *name = json_string_value(json_object_get(json, "name"));
    if (kind == PE_PART_FILE && (!name || percent_decode(name, &path, err) < 0))
        return pe_fail(err, PE_ERR_MALFORMED, "part without a valid name");
    return pe_parts_add(parts, (enum pe_part_kind)kind, &path, (uint64_t)json_integer_value(size),
                        (uint32_t)json_integer_value(json_object_get(json, "mode")), err);
}

static int parts_from_json(const json_t *array, struct pe_parts *parts, struct pe_error *err)
{
    if (!json_is_array(array) || json_array_size(array) > PARTS_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "'parts' must be an array of at most %u", PARTS_MAX);
    for (size_t i = 0; i < json_array_size(array); i++)
        if (part_from_json(json_array_get(array, i), parts, err) < 0)
            return -1;
    if (pe_parts_size(parts) > PE_INPUT_BYTES_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "parts of %llu bytes",
                       (unsigned long long)pe_parts_size(parts));
    return 0;
}

/* ---- decoding ---- */

static int take_text(const json_t *json, const char *key, char *text, size_t size, struct pe_error *err)
{
    const char *value = json_string_value(json_object_get(json, key));
    if (!value || strlen(value) >= size)
        return pe_fail(err, PE_ERR_MALFORMED, "'%s' must be a string of at most %zu bytes", key, size - 1);
    memcpy(text, value, strlen(value) + 1);
    return 0;
}

static int take_id(const json_t *json, struct pe_message *message, struct pe_error *err)
{
    static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    if (take_text(json, "id", message->id, sizeof message->id, err) < 0)
        return -1;
    if (!message->id[0] || message->id[strspn(message->id, set)])
        return pe_fail(err, PE_ERR_MALFORMED, "'id' has characters that are not allowed");
    return 0;
}

static int hello_from_json(const json_t *json, struct pe_hello *hello, struct pe_error *err)
{
    if (take_text(json, "host", hello->host, sizeof hello->host, err) < 0 ||
        take_text(json, "arch", hello->arch, sizeof hello->arch, err) < 0 ||
        take_text(json, "cpu", hello->cpu, sizeof hello->cpu, err) < 0 ||
        take_text(json, "vmm", hello->vmm, sizeof hello->vmm, err) < 0)
        return -1;
    json_int_t slots = json_integer_value(json_object_get(json, "slots"));
    if (slots < 0 || slots > 4096)
        return pe_fail(err, PE_ERR_MALFORMED, "'slots' out of range");
    hello->slots = (uint32_t)slots;
    json_int_t vms = json_integer_value(json_object_get(json, "vms"));
    if (vms < 0 || vms > 4096)
        return pe_fail(err, PE_ERR_MALFORMED, "'vms' out of range");
    hello->vms = (uint32_t)vms;
    hello->draining = json_is_true(json_object_get(json, "draining"));
    json_t *images = json_object_get(json, "images");
    if (!json_is_array(images) || json_array_size(images) > 4096)
        return pe_fail(err, PE_ERR_MALFORMED, "'images' must be an array");
    for (size_t i = 0; i < json_array_size(images); i++) {
        pe_autoimage struct pe_image image = {0};
        if (pe_image_from_json(json_array_get(images, i), &image, err) < 0)
            return -1;
    }
    hello->images = json_incref(images);
    return 0;
}

static int ready_from_json(const json_t *json, struct pe_message *message, struct pe_error *err)
{
    if (take_text(json, "host", message->host, sizeof message->host, err) < 0)
        return -1;
    const json_t *warm = json_object_get(json, "warm");
    return !warm || json_is_null(warm) ? 0
                                       : take_text(json, "warm", message->warm, sizeof message->warm, err);
}

static int job_from_json(const json_t *json, struct pe_message *message, struct pe_error *err)
{
    if (take_id(json, message, err) < 0 ||
        pe_job_from_json(json_object_get(json, "job"), &message->job, err) < 0)
        return -1;
    json_int_t queue_us = json_integer_value(json_object_get(json, "queue_us"));
    message->queue_us = queue_us > 0 ? (uint64_t)queue_us : 0;
    return parts_from_json(json_object_get(json, "parts"), &message->parts, err);
}

static int body_from_json(const json_t *json, struct pe_message *message, struct pe_error *err)
{
    switch (message->kind) {
    case PE_MESSAGE_HELLO:
        return hello_from_json(json, &message->hello, err);
    case PE_MESSAGE_READY:
        return ready_from_json(json, message, err);
    case PE_MESSAGE_JOB:
        return job_from_json(json, message, err);
    case PE_MESSAGE_RESULT:
        if (take_id(json, message, err) < 0 ||
            pe_result_from_json(json_object_get(json, "result"), &message->result, err) < 0)
            return -1;
        return parts_from_json(json_object_get(json, "parts"), &message->parts, err);
    case PE_MESSAGE_ERROR:
        if (take_id(json, message, err) < 0)
            return -1;
        return pe_problem_from_json(json_object_get(json, "problem"), &message->problem, err);
    case PE_MESSAGE_END:
    case PE_MESSAGE_CANCEL:
        return take_id(json, message, err);
    }
    return pe_fail(err, PE_ERR_MALFORMED, "unknown kind");
}

/* The value of a string member in the form in which pe_message_encode writes messages, when nothing in it is
 * escaped; moves `*at` behind it. */
static bool take_plain(const char **at, size_t *left, const char *before, char *text, size_t size)
{
    size_t skip = strlen(before);
    if (*left < skip || memcmp(*at, before, skip) != 0)
        return false;
    const char *value = *at + skip;
    const char *end = memchr(value, '"', *left - skip);
    size_t length = end ? (size_t)(end - value) : 0;
    if (!end || length >= size)
        return false;
    for (size_t i = 0; i < length; i++)
        if (value[i] < 0x20 || value[i] > 0x7e || value[i] == '\\')
            return false;
    memcpy(text, value, length);
    text[length] = '\0';
    *left -= skip + length;
    *at = end;
    return true;
}

/* The two messages that come with every job and hold next to nothing, in exactly the form we write; any other
 * is left to the JSON library. */
static bool decode_quickly(const char *text, size_t size, struct pe_message *message)
{
    static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    if (take_plain(&text, &size, "{\"type\":\"end\",\"id\":\"", message->id, sizeof message->id)) {
        message->kind = PE_MESSAGE_END;
        return size == 2 && !memcmp(text, "\"}", 2) && message->id[0] &&
               !message->id[strspn(message->id, set)];
    }
    message->kind = PE_MESSAGE_READY;
    if (!take_plain(&text, &size, "{\"type\":\"ready\",\"host\":\"", message->host, sizeof message->host))
        return false;
    if (size == 2 && !memcmp(text, "\"}", 2))
        return true;
    return take_plain(&text, &size, "\",\"warm\":\"", message->warm, sizeof message->warm) && size == 2 &&
           !memcmp(text, "\"}", 2);
}

int pe_message_decode(const void *text, size_t size, struct pe_message *message, struct pe_error *err)
{
    *message = (struct pe_message){0};
    if (size > PE_SLOT_TEXT_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "slot message of %zu bytes", size);
    if (decode_quickly(text, size, message))
        return 0;
    *message = (struct pe_message){0};
    json_error_t where;
    pe_autojson json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    const char *kind = json_string_value(json_object_get(json, "type"));
    if (!kind)
        return pe_fail(err, PE_ERR_MALFORMED, "slot message is not an object with a 'type'");
    for (int i = 0; i < KIND_COUNT; i++)
        if (!strcmp(kind_names[i], kind)) {
            message->kind = (enum pe_message_kind)i;
            if (body_from_json(json, message, err) < 0)
                return pe_fail_context(err, "slot message '%s'", kind_names[i]);
            return 0;
        }
    return pe_fail(err, PE_ERR_MALFORMED, "slot message of an unknown type");
}

/* ---- encoding ---- */

static json_t *message_to_json(const struct pe_message *message)
{
    const char *kind = kind_names[message->kind];
    switch (message->kind) {
    case PE_MESSAGE_HELLO:
        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:O}", "type", kind, "host",
                         message->hello.host, "arch", message->hello.arch, "cpu", message->hello.cpu, "vmm",
                         message->hello.vmm, "slots", (int)message->hello.slots, "vms",
                         (int)message->hello.vms, "draining", message->hello.draining, "images",
                         message->hello.images);
    case PE_MESSAGE_READY:
        return json_pack("{s:s, s:s, s:s*}", "type", kind, "host", message->host, "warm",
                         message->warm[0] ? message->warm : NULL);
    case PE_MESSAGE_JOB:
        return json_pack("{s:s, s:s, s:o, s:I, s:o}", "type", kind, "id", message->id, "job",
                         pe_job_to_json(&message->job), "queue_us", (json_int_t)message->queue_us, "parts",
                         parts_to_json(&message->parts));
    case PE_MESSAGE_RESULT:
        return json_pack("{s:s, s:s, s:o, s:o}", "type", kind, "id", message->id, "result",
                         pe_result_to_json(&message->result), "parts", parts_to_json(&message->parts));
    case PE_MESSAGE_ERROR:
        return json_pack("{s:s, s:s, s:o}", "type", kind, "id", message->id, "problem",
                         pe_problem_to_json(&message->problem));
    case PE_MESSAGE_END:
    case PE_MESSAGE_CANCEL:
        return json_pack("{s:s, s:s}", "type", kind, "id", message->id);
    }
    return NULL;
}

int pe_message_encode(const struct pe_message *message, struct pe_buf *out, struct pe_error *err)
{
    pe_autojson json_t *json = message_to_json(message);
    pe_autofree char *text = json ? json_dumps(json, PE_RESULT_JSON_FLAGS) : NULL;
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "encoding slot message '%s'", kind_names[message->kind]);
    return pe_buf_append_text(out, text, err);
}

void pe_message_free(struct pe_message *message)
{
    json_decref(message->hello.images);
    pe_job_free(&message->job);
    pe_parts_free(&message->parts);
    *message = (struct pe_message){0};
}
