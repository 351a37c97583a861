/* SPDX-License-Identifier: Apache-2.0 */
/* The list of dropped outputs in a result: a text buffer with pairs of type and name, its forms in flat
 * text and in JSON. guest-init/dropped.c collects them. */
#include "proto/dropped.h"

#include "proto/limits.h"

#include <string.h>

static bool is_type(const char *type)
{
    static const char *const types[] = {"symlink", "fifo", "socket", "device", "file", "folder"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(type, types[i]))
            return true;
    return false;
}

bool pe_dropped_next(const struct pe_dropped *dropped, size_t *at, const char **type, const char **name)
{
    *type = dropped->texts + *at;
    if (!**type)
        return false;
    *name = *type + strlen(*type) + 1;
    *at += strlen(*type) + 1 + strlen(*name) + 1;
    return true;
}

void pe_dropped_add(struct pe_dropped *dropped, const char *type, const char *name)
{
    const char *ignored_type = NULL, *ignored_name = NULL;
    size_t at = 0, count = 0;
    while (pe_dropped_next(dropped, &at, &ignored_type, &ignored_name))
        count++;
    size_t type_size = strlen(type) + 1, name_size = strlen(name) + 1;
    if (!is_type(type) || name_size == 1 || count == PE_DROPPED_NAMES_MAX ||
        type_size + name_size > PE_DROPPED_BYTES_MAX - at)
        return;
    memcpy(dropped->texts + at, type, type_size);
    memcpy(dropped->texts + at + type_size, name, name_size);
    dropped->texts[at + type_size + name_size] = '\0';
}

void pe_dropped_add_flat(struct pe_dropped *dropped, const char *value)
{
    char type[16];
    const char *space = strchr(value, ' ');
    if (!space || (size_t)(space - value) >= sizeof type)
        return;
    memcpy(type, value, (size_t)(space - value));
    type[space - value] = '\0';
    pe_dropped_add(dropped, type, space + 1);
}

void pe_dropped_append_json(const struct pe_dropped *dropped, struct pe_json_writer *writer)
{
    const char *type = NULL, *name = NULL;
    pe_json_open(writer, "dropped", '[');
    for (size_t at = 0; pe_dropped_next(dropped, &at, &type, &name);) {
        pe_json_open(writer, NULL, '{');
        pe_json_append_text(writer, "name", name);
        pe_json_append_text(writer, "type", type);
        pe_json_close(writer, '}');
    }
    pe_json_close(writer, ']');
}

static void parse_entry(struct pe_json_reader *reader, struct pe_dropped *dropped)
{
    char key[16], type[16] = "", name[PE_DROPPED_BYTES_MAX + 1] = "";
    pe_json_enter(reader, '{');
    while (pe_json_next_member(reader, key, sizeof key))
        if (!strcmp(key, "name"))
            pe_json_parse_text_cut(reader, name, sizeof name);
        else if (!strcmp(key, "type"))
            pe_json_parse_text_cut(reader, type, sizeof type);
        else
            pe_json_skip(reader);
    if (!reader->fault)
        pe_dropped_add(dropped, type, name);
}

void pe_dropped_parse_json(struct pe_json_reader *reader, struct pe_dropped *dropped)
{
    *dropped = (struct pe_dropped){0};
    pe_json_enter(reader, '[');
    while (pe_json_next_element(reader))
        parse_entry(reader, dropped);
}
