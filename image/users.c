/* SPDX-License-Identifier: Apache-2.0 */
/* Reading passwd(5) and group(5) of an image. They are not trusted. */
#include "image/users.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 7
#define LINE_MAX_BYTES 8192

/* One line, split into its fields. */
struct record {
    char line[LINE_MAX_BYTES];
    char *fields[FIELDS_MAX];
    size_t count;
};

/* Read the next line; lines that are too long or contain a NUL are skipped. Returns false at the
 * end. */
static bool next_record(struct pe_cursor *cursor, struct record *record)
{
    for (;;) {
        size_t size = 0;
        if (cursor->left == 0)
            return false;
        const uint8_t *line = pe_cursor_read_until(cursor, '\n', &size);
        if (!line) {
            size = cursor->left;
            line = pe_cursor_read(cursor, size);
        }
        if (size >= sizeof record->line || memchr(line, '\0', size))
            continue;
        memcpy(record->line, line, size);
        record->line[size] = '\0';
        record->count = 0;
        char *rest = record->line;
        while (rest && record->count < FIELDS_MAX)
            record->fields[record->count++] = strsep(&rest, ":");
        return true;
    }
}

static bool parse_id(const char *text, uint32_t *id)
{
    if (!*text || strlen(text) > 10 || strspn(text, "0123456789") != strlen(text))
        return false;
    unsigned long value = strtoul(text, NULL, 10);
    *id = (uint32_t)value;
    return value < UINT32_MAX;
}

/* Find the line of a user by name, or by number when there is no such name. */
static bool find_user(const struct pe_buf *passwd, const char *name, struct record *record)
{
    for (int by_number = 0; by_number < 2; by_number++) {
        struct pe_cursor cursor = {passwd->data, passwd->size};
        uint32_t wanted = 0, uid = 0;
        if (by_number && !parse_id(name, &wanted))
            return false;
        while (next_record(&cursor, record))
            if (record->count >= 4 && (by_number ? parse_id(record->fields[2], &uid) && uid == wanted
                                                 : !strcmp(record->fields[0], name)))
                return true;
    }
    return false;
}

static bool find_group(const struct pe_buf *group, const char *name, uint32_t *gid)
{
    struct record record;
    struct pe_cursor cursor = {group->data, group->size};
    while (next_record(&cursor, &record))
        if (record.count >= 3 && !strcmp(record.fields[0], name) && parse_id(record.fields[2], gid))
            return true;
    return parse_id(name, gid);
}

static bool lists_member(char *members, const char *name)
{
    for (char *rest = members, *member; (member = strsep(&rest, ","));)
        if (!strcmp(member, name))
            return true;
    return false;
}

/* Add the supplementary groups of a user. */
static void add_groups(const struct pe_buf *group, const char *name, struct pe_image_user *user)
{
    struct record record;
    struct pe_cursor cursor = {group->data, group->size};
    uint32_t gid = 0;
    while (user->group_count < PE_IMAGE_GROUPS_MAX && next_record(&cursor, &record))
        if (record.count >= 4 && parse_id(record.fields[2], &gid) && gid != user->gid &&
            lists_member(record.fields[3], name))
            user->groups[user->group_count++] = gid;
}

int users_resolve(const char *spec, const struct pe_buf *passwd, const struct pe_buf *group,
                  struct pe_image_user *user, struct users_home *home, struct pe_error *err)
{
    char name[256];
    struct record record;
    user->uid = user->gid = 0;
    user->group_count = 0;
    home->path[0] = '\0';
    const char *colon = strchr(spec, ':');
    size_t size = colon ? (size_t)(colon - spec) : strlen(spec);
    if (size >= sizeof name)
        return pe_fail(err, PE_ERR_INVALID, "the image's user has a name of %zu bytes, which is too long",
                       size);
    snprintf(name, sizeof name, "%.*s", (int)size, spec);
    if (!*name)
        snprintf(name, sizeof name, "0");
    bool found = find_user(passwd, name, &record);
    if (found && (!parse_id(record.fields[2], &user->uid) || !parse_id(record.fields[3], &user->gid)))
        return pe_fail(err, PE_ERR_INVALID, "the image's /etc/passwd has no valid ids for user '%s'", name);
    if (!found && !parse_id(name, &user->uid))
        return pe_fail(err, PE_ERR_INVALID,
                       "the image runs as user '%s', but its /etc/passwd has no such user; add the user to "
                       "the image, or set USER of the image to one that it has",
                       name);
    if (found && record.count >= 6)
        snprintf(home->path, sizeof home->path, "%s", record.fields[5]);
    if (colon && colon[1] && !find_group(group, colon + 1, &user->gid))
        return pe_fail(
            err, PE_ERR_INVALID,
            "the image runs with group '%s', but its /etc/group has no such group; add the group to "
            "the image, or set USER of the image to one that it has",
            colon + 1);
    /* As in other runtimes, an explicit group excludes supplementary groups. */
    if (found && !colon && *spec)
        add_groups(group, record.fields[0], user);
    return 0;
}
