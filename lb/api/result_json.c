/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON form of a response: the fields of the result, stdout, stderr and the files. Bytes
 * that are UTF-8 are sent as text, others as base64. JSON needs every byte of the result, so it
 * cannot be streamed. */
#include "lb/api/result_encoder.h"

#include "base/cleanup.h"
#include "codec/utf8_text.h"
#include "lb/api/result_part.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *base64(const uint8_t *bytes, size_t size)
{
    if (size > INT_MAX / 2)
        return NULL;
    pe_autofree unsigned char *text = malloc((size + 2) / 3 * 4 + 1);
    if (!text)
        return NULL;
    int length = EVP_EncodeBlock(text, bytes, (int)size);
    return json_stringn_nocheck((const char *)text, (size_t)length);
}

/* Text as a string, other bytes as {"base64": …}. */
static json_t *bytes_to_json(const uint8_t *bytes, size_t size)
{
    if (utf8_valid(bytes, size))
        return json_stringn_nocheck(size ? (const char *)bytes : "", size);
    return json_pack("{s:o}", "base64", base64(bytes, size));
}

static json_t *name_to_json(const struct pe_path *path)
{
    pe_autobuf struct pe_buf repaired = {0};
    struct pe_error ignored;
    if (utf8_append_repaired(&repaired, path->text, path->length, &ignored) < 0)
        return NULL;
    return json_stringn_nocheck((const char *)repaired.data, repaired.size);
}

/* Set a member. `value` is taken over, and NULL is a failure. */
static int set(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value);
}

/* The name and the attributes of a file or a folder. */
static json_t *entry_to_json(const struct pe_part *part)
{
    char mode[8];
    pe_autojson json_t *entry = json_object();
    snprintf(mode, sizeof mode, "%04o", part_mode(part));
    if (set(entry, "name", name_to_json(&part->path)) < 0 || set(entry, "mode", json_string(mode)) < 0)
        return NULL;
    if (!utf8_valid(part->path.text, part->path.length) &&
        set(entry, "name_base64", base64((const uint8_t *)part->path.text, part->path.length)) < 0)
        return NULL;
    if (part->mtime && set(entry, "mtime", json_integer((json_int_t)part->mtime)) < 0)
        return NULL;
    return json_incref(entry);
}

static json_t *file_to_json(const struct pe_part *part, const uint8_t *bytes)
{
    size_t size = (size_t)part->size;
    pe_autojson json_t *file = entry_to_json(part);
    bool text = utf8_valid(bytes, size);
    if (!file || set(file, "size", json_integer((json_int_t)size)) < 0 ||
        set(file, text ? "text" : "base64", text ? bytes_to_json(bytes, size) : base64(bytes, size)) < 0)
        return NULL;
    return json_incref(file);
}

static int add_part(json_t *body, const struct pe_part *part, const uint8_t *bytes)
{
    switch (part->kind) {
    case PE_PART_STDOUT:
        return set(body, "stdout", bytes_to_json(bytes, (size_t)part->size));
    case PE_PART_STDERR:
        return set(body, "stderr", bytes_to_json(bytes, (size_t)part->size));
    case PE_PART_COMBINED:
        return set(body, "combined", bytes_to_json(bytes, (size_t)part->size));
    case PE_PART_FILE:
        return json_array_append_new(json_object_get(body, "files"), file_to_json(part, bytes));
    case PE_PART_FOLDER:
        return json_array_append_new(json_object_get(body, "folders"), entry_to_json(part));
    }
    return -1;
}

static int append_chunk(const char *text, size_t size, void *out)
{
    struct pe_error ignored;
    return pe_buf_append(out, text, size, &ignored);
}

int result_encoder_append_json(struct result_encoder *encoder, struct pe_error *err)
{
    pe_autojson json_t *body = pe_result_to_json(&encoder->fields);
    int failed = set(body, "files", json_array()) < 0 || set(body, "folders", json_array()) < 0;
    const struct job_result *result = encoder->result;
    struct pe_cursor cursor = {.at = result->bytes.data, .left = result->bytes.size};
    for (size_t i = 0; i < result->parts.count && !failed; i++) {
        const struct pe_part *part = &result->parts.items[i];
        const uint8_t *bytes = pe_cursor_read(&cursor, (size_t)part->size);
        failed = (!bytes && part->size) || add_part(body, part, bytes) < 0;
    }
    if (failed || json_dump_callback(body, append_chunk, &encoder->out, PE_RESULT_JSON_FLAGS) < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot encode a result as JSON");
    return pe_buf_append(&encoder->out, "\n", 1, err);
}
