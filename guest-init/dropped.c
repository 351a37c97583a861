/* SPDX-License-Identifier: Apache-2.0 */
/* A short sorted list of paths. Insertion is linear, as the list is short. */
#include "guest-init/dropped.h"

#include "codec/flat.h"
#include "proto/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void dropped_names_add(struct dropped_names *names, const char *path, uint32_t mode)
{
    size_t at = names->count;
    while (at > 0 && strcmp(names->items[at - 1].path, path) > 0)
        at--;
    char *copy = at < PE_DROPPED_NAMES_MAX ? strdup(path) : NULL;
    if (!copy)
        return;
    if (names->count == PE_DROPPED_NAMES_MAX)
        free(names->items[--names->count].path);
    memmove(&names->items[at + 1], &names->items[at], (names->count - at) * sizeof *names->items);
    names->items[at] = (struct dropped_name){.path = copy, .mode = mode};
    names->count++;
}

static const char *type_of(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFLNK:
        return "symlink";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    case S_IFDIR:
        return "folder";
    case S_IFREG:
        return "file";
    default:
        return "device";
    }
}

int dropped_names_encode(const struct dropped_names *names, struct pe_buf *text, struct pe_error *err)
{
    char value[16 + PE_PATH_MAX];
    size_t most = text->size + DROPPED_TEXT_MAX;
    for (size_t i = 0; i < names->count; i++) {
        size_t before = text->size;
        snprintf(value, sizeof value, "%s %s", type_of(names->items[i].mode), names->items[i].path);
        if (pe_flat_append(text, "dropped", value, err) < 0)
            return -1;
        if (text->size > most)
            text->size = before;
    }
    return 0;
}

void dropped_names_free(struct dropped_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i].path);
    *names = (struct dropped_names){0};
}
