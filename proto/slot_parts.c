/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of parts, and their form in JSON. Names of files are percent-encoded there, because file names in
 * Linux are bytes and JSON is UTF-8. */
#include "proto/slot_parts.h"

#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

static const char *const part_names[] = {"file", "stdout", "stderr", "combined", "folder"};

/* The parts of a job are its files. The parts of a result are stdout, stderr, both combined if
 * the job wants it, its files and its folders. */
#define PARTS_MAX ((PE_INPUT_FILES_MAX > PE_OUTPUT_FILES_MAX ? PE_INPUT_FILES_MAX : PE_OUTPUT_FILES_MAX) + 3)

/* The first allocation of a list has room for this many parts: every result has stdout and stderr.
 */
enum { PARTS_FIRST = 2 };

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

void pe_parts_append_json(struct pe_json_writer *writer, const struct pe_parts *parts)
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

void pe_parts_append_folders_json(struct pe_json_writer *writer, const struct pe_parts *parts)
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
        pe_json_fault(reader, "out of memory for the parts");
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

void pe_parts_parse_json(struct pe_json_reader *reader, struct pe_parts *parts)
{
    if (parts->count)
        pe_json_fault(reader, "'parts' occurs twice, or behind 'folders'");
    pe_json_enter(reader, '[');
    while (pe_json_next_element(reader))
        parse_part(reader, parts);
    if (pe_parts_size(parts) > PE_INPUT_BYTES_MAX)
        pe_json_fault(reader, "the parts have too many bytes");
}

void pe_parts_parse_folders_json(struct pe_json_reader *reader, struct pe_parts *parts)
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
