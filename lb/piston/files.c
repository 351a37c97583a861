/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a Piston request: names are made safe, and contents are decoded as Buffer.from of
 * Node does, which ignores invalid characters. */
#include "lb/piston/request.h"

#include "base/cleanup.h"
#include "proto/limits.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STDIN_NAME ".stdin" /* followed by underscores if the client has sent a file of this name */

struct file_decoder {
    struct pe_buf *contents;
    struct submission *submission;
    struct pe_arguments *texts;
    bool takes_all;  /* `texts` receives all files */
    json_t *seen;    /* name -> index in the files of the submission */
    size_t *offsets; /* of each file in `contents` */
};

/* ---- names ---- */

/* Whether JavaScript treats a JSON value as false. */
static bool is_falsy(const json_t *value)
{
    return !value || json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_number(value) && json_number_value(value) == 0);
}

static int escapes(const char *name, size_t size, struct pe_error *err)
{
    char shown[256];
    return pe_fail(err, PE_ERR_INVALID, "File path \"%s\" tries to escape parent directory",
                   pe_path_printable(name, size, shown, sizeof shown));
}

/* Normalise a name as path.join of Node does: "./a", "/a" and "b/../a" become "a". */
static int normalize(const char *name, size_t size, struct pe_path *path, struct pe_error *err)
{
    char kept[PE_PATH_MAX + 2]; /* components, each with a '/' before it */
    size_t used = 0;
    for (size_t at = 0, length = 0; at <= size; at += length + 1) {
        const char *slash = at < size ? memchr(name + at, '/', size - at) : NULL;
        const char *component = name + at;
        length = slash ? (size_t)(slash - component) : size - at;
        if (length == 0 || (length == 1 && component[0] == '.'))
            continue;
        if (length == 2 && !memcmp(component, "..", 2)) {
            if (used == 0)
                return escapes(name, size, err);
            while (kept[--used] != '/')
                ;
            continue;
        }
        if (length + 1 > sizeof kept - used)
            return pe_fail(err, PE_ERR_INVALID, "the name of a file has more than %u bytes", PE_PATH_MAX);
        kept[used] = '/';
        memcpy(kept + used + 1, component, length);
        used += length + 1;
    }
    if (used == 0)
        return pe_fail(err, PE_ERR_INVALID, "the name of a file means the folder itself");
    return pe_path_parse(kept + 1, used - 1, 1, path, err);
}

static int parse_name(const json_t *file, size_t index, struct pe_path *path, struct pe_error *err)
{
    const json_t *name = json_object_get(file, "name");
    char fallback[40];
    if (is_falsy(name)) {
        int size = snprintf(fallback, sizeof fallback, "file%zu.code", index);
        return pe_path_parse(fallback, (size_t)size, 1, path, err);
    }
    if (!json_is_string(name))
        return pe_fail(err, PE_ERR_INVALID, "files[%zu].name must be a string", index);
    return normalize(json_string_value(name), json_string_length(name), path, err);
}

/* ---- contents ---- */

static bool is_encoding(const json_t *file, const char *encoding)
{
    const char *value = json_string_value(json_object_get(file, "encoding"));
    return value && !strcmp(value, encoding);
}

bool piston_file_is_text(const json_t *file)
{
    return is_falsy(json_object_get(file, "encoding")) || is_encoding(file, "utf8");
}

static int hex_value(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = digit ? strchr(digits, digit | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Decode pairs of digits, up to the first pair that is not one. */
static int append_hex(struct pe_buf *out, const char *text, size_t size, struct pe_error *err)
{
    if (pe_buf_reserve(out, size / 2 + 1, err) < 0)
        return -1;
    for (size_t i = 0; i + 1 < size; i += 2) {
        int high = hex_value(text[i]), low = hex_value(text[i + 1]);
        if (high < 0 || low < 0)
            break;
        out->data[out->size++] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

/* Copy the characters of the base64 alphabet up to the padding, and translate the URL-safe
 * alphabet. Other characters are left out. */
static size_t clean_base64(const char *text, size_t size, char *clean)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t used = 0;
    for (size_t i = 0; i < size && text[i] != '='; i++) {
        char c = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
        if (c && strchr(alphabet, c))
            clean[used++] = c;
    }
    return used - (used % 4 == 1); /* a single character has only six bits of a byte */
}

static int append_base64(struct pe_buf *out, const char *text, size_t size, struct pe_error *err)
{
    pe_autofree char *clean = malloc(size + 4);
    if (!clean)
        return pe_fail_errno(err, "a file of %zu bytes", size);
    size_t used = clean_base64(text, size, clean), padding = -used & 3;
    memset(clean + used, '=', padding);
    if (pe_buf_reserve(out, (used + padding) / 4 * 3 + 1, err) < 0)
        return -1;
    int bytes = EVP_DecodeBlock(out->data + out->size, (const unsigned char *)clean, (int)(used + padding));
    if (bytes < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot decode base64");
    out->size += (size_t)bytes - padding;
    return 0;
}

static int append_content(struct pe_buf *out, const json_t *file, struct pe_error *err)
{
    const json_t *content = json_object_get(file, "content");
    const char *text = json_string_value(content);
    size_t size = json_string_length(content);
    if (is_encoding(file, "base64"))
        return append_base64(out, text, size, err);
    if (is_encoding(file, "hex"))
        return append_hex(out, text, size, err);
    return pe_buf_append(out, text, size, err);
}

/* ---- files ---- */

/* The index of a name in the files of the submission. A file that is sent twice replaces the
 * first one. */
static int place_of(struct file_decoder *decoder, const struct pe_path *path, size_t *place,
                    struct pe_error *err)
{
    struct pe_parts *parts = &decoder->submission->files;
    const json_t *before = json_object_get(decoder->seen, path->text);
    *place = before ? (size_t)json_integer_value(before) : parts->count;
    if (before)
        return 0;
    if (json_object_set_new(decoder->seen, path->text, json_integer((json_int_t)parts->count)) < 0)
        return pe_fail(err, PE_ERR_INVALID, "the name of a file is not UTF-8");
    decoder->submission->names += path->length;
    return pe_parts_add(parts, PE_PART_FILE, path, 0, 0644, err);
}

static int add_file(struct file_decoder *decoder, const json_t *file, size_t index, struct pe_error *err)
{
    struct pe_path path = {.length = 0};
    size_t place = 0, start = decoder->contents->size, known = decoder->submission->files.count;
    if (parse_name(file, index, &path, err) < 0 || place_of(decoder, &path, &place, err) < 0 ||
        append_content(decoder->contents, file, err) < 0)
        return -1;
    decoder->offsets[place] = start;
    decoder->submission->files.items[place].size = decoder->contents->size - start;
    bool is_text = !is_encoding(file, "base64") && !is_encoding(file, "hex");
    char text[PE_PATH_ARGUMENT_SIZE];
    return (is_text || decoder->takes_all) && place == known
               ? pe_arguments_add(decoder->texts, pe_path_as_argument(path.text, text), err)
               : 0;
}

/* Standard input is a file of the job. The stages remove it from the folder. */
static int add_stdin(struct file_decoder *decoder, const json_t *input, struct pe_error *err)
{
    struct pe_path path = {.text = STDIN_NAME, .length = strlen(STDIN_NAME)};
    size_t place = 0, start = decoder->contents->size, size = json_string_length(input);
    if (input && !json_is_null(input) && !json_is_string(input))
        return pe_fail(err, PE_ERR_INVALID, "stdin must be a string");
    while (json_object_get(decoder->seen, path.text) && path.length < PE_PATH_COMPONENT_MAX) {
        path.text[path.length++] = '_';
        path.text[path.length] = '\0';
    }
    if (place_of(decoder, &path, &place, err) < 0 ||
        pe_buf_append(decoder->contents, size ? json_string_value(input) : "", size, err) < 0)
        return -1;
    bool ended = size > 0 && json_string_value(input)[size - 1] == '\n';
    if (!ended && pe_buf_append(decoder->contents, "\n", 1, err) < 0)
        return -1;
    decoder->offsets[place] = start;
    decoder->submission->files.items[place].size = decoder->contents->size - start;
    decoder->submission->spec.stdin_name = strdup(path.text);
    return decoder->submission->spec.stdin_name ? 0 : pe_fail_errno(err, "stdin");
}

int piston_files_decode(const json_t *body, bool takes_all, bool has_stdin, struct pe_buf *contents,
                        struct submission *submission, struct pe_arguments *texts, struct pe_error *err)
{
    const json_t *files = json_object_get(body, "files");
    size_t count = json_array_size(files);
    if (count >= PE_INPUT_FILES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE, "more than %u input files", PE_INPUT_FILES_MAX - 1);
    pe_autojson json_t *seen = json_object();
    pe_autofree size_t *offsets = calloc(count + 1, sizeof *offsets);
    submission->bytes = calloc(count + 1, sizeof *submission->bytes);
    if (!seen || !offsets || !submission->bytes)
        return pe_fail_errno(err, "%zu input files", count);
    struct file_decoder decoder = {.contents = contents,
                                   .submission = submission,
                                   .texts = texts,
                                   .takes_all = takes_all,
                                   .seen = seen,
                                   .offsets = offsets};
    for (size_t i = 0; i < count; i++)
        if (add_file(&decoder, json_array_get(files, i), i, err) < 0)
            return -1;
    if (has_stdin && add_stdin(&decoder, json_object_get(body, "stdin"), err) < 0)
        return -1;
    /* The contents do not move any more, so pointers to them stay valid. */
    for (size_t i = 0; i < submission->files.count; i++) {
        submission->bytes[i] = contents->data ? contents->data + offsets[i] : NULL; /* all may be empty */
        submission->total += submission->files.items[i].size;
    }
    return 0;
}
