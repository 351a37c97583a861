/* SPDX-License-Identifier: Apache-2.0 */
/* Which placeholders each command knows. proto/image.c and lb/piston/request.c replace them. */
#include "image/placeholders.h"

#include <stdbool.h>
#include <string.h>

/* The placeholders of a command. All are whole arguments. */
struct rules {
    const char *known[4]; /* ends with NULL */
    bool globs;           /* {files:GLOB} is known, too */
    const char *list;     /* for messages */
};
static const struct rules catalog_rules = {
    {"{files}", "{options}"}, true, "{files}, {files:GLOB} and {options}"};
static const struct rules stage_rules = {
    {"{files}", "{main}", "{args}"}, false, "{files}, {main} and {args}"};
static const struct rules no_rules = {{NULL}, false, "none"};

static bool is_known(const char *argument, const struct rules *rules)
{
    for (const char *const *known = rules->known; *known; known++)
        if (!strcmp(argument, *known))
            return true;
    return rules->globs && !strncmp(argument, "{files:", 7) && argument[strlen(argument) - 1] == '}';
}

/* True for a word in braces. Programs of awk and shell scripts also have braces, but with spaces or
 * other signs. */
static bool looks_like_one(const char *argument)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-";
    size_t size = argument[0] == '{' ? strspn(argument + 1, letters) : 0;
    const char *end = argument + 1 + size;
    return size > 0 && (!strcmp(end, "}") || (*end == ':' && end[strlen(end) - 1] == '}'));
}

/* The placeholder that is a part of an argument, or NULL. */
static const char *inside(const char *argument)
{
    static const char *const all[] = {"{files}", "{main}", "{args}", "{options}"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strstr(argument, all[i]) && strcmp(argument, all[i]) != 0)
            return all[i];
    return NULL;
}

static int check_argument(const char *argument, const struct rules *rules, struct pe_error *err)
{
    if (is_known(argument, rules))
        return 0;
    if (looks_like_one(argument))
        return pe_fail(err, PE_ERR_INVALID,
                       "there is no placeholder '%.100s'; placeholders here: %s. For the text itself, add a "
                       "space after the brace, or let a shell write it",
                       argument, rules->list);
    const char *part = inside(argument);
    return part
               ? pe_fail(
                     err, PE_ERR_INVALID,
                     "'%.100s' has %s as a part, but a placeholder must be an argument of its own; let a "
                     "shell put them together, as in [\"sh\", \"-c\", \"exec ./\\\"$1\\\"\", \"sh\", \"%s\"]",
                     argument, part, rules->known[0] ? rules->known[0] : "FILE")
               : 0;
}

static int check_command(const json_t *command, const struct rules *rules, const char *field,
                         struct pe_error *err)
{
    size_t i = 0;
    const json_t *argument = NULL;
    json_array_foreach(command, i, argument)
    {
        if (json_is_string(argument) && check_argument(json_string_value(argument), rules, err) < 0)
            return pe_fail_context(err, "metadata field '%s'", field);
    }
    return 0;
}

int placeholders_check(const json_t *metadata, struct pe_error *err)
{
    size_t i = 0;
    const json_t *entry = NULL;
    if (check_command(json_object_get(metadata, "default_cmd"), &catalog_rules, "default_cmd", err) < 0 ||
        check_command(json_object_get(metadata, "warmup"), &no_rules, "warmup", err) < 0)
        return -1;
    json_array_foreach(json_object_get(metadata, "commands"), i, entry)
    {
        if (check_command(json_object_get(entry, "cmd"), &catalog_rules, "commands", err) < 0)
            return -1;
    }
    json_array_foreach(json_object_get(metadata, "piston"), i, entry)
    {
        if (check_command(json_object_get(entry, "compile"), &stage_rules, "compile", err) < 0 ||
            check_command(json_object_get(entry, "run"), &stage_rules, "run", err) < 0)
            return pe_fail_context(err, "metadata field 'piston', entry %zu", i + 1);
    }
    return 0;
}
