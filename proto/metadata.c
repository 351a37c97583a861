/* SPDX-License-Identifier: Apache-2.0 */
/* Checking metadata, and what the service looks up in it: default arguments and accepted files. */
#include "proto/metadata.h"

#include "base/cleanup.h"
#include "codec/glob.h"
#include "proto/job_spec.h"
#include "proto/json_excerpt.h"
#include "proto/limits.h"
#include "proto/runtimes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 64u
#define OPTIONS_MAX 64u
#define WORDS_PER_OPTION_MAX 4u

static int wrong(struct pe_error *err, const char *field, const char *what, const json_t *value)
{
    char text[PE_JSON_EXCERPT_SIZE];
    return pe_fail(err, PE_ERR_MALFORMED, "metadata field '%s' %s, not %s", field, what,
                   pe_json_excerpt(value, text));
}

/* ---- lists ---- */

static bool is_text_list(const json_t *array)
{
    size_t i = 0;
    const json_t *text = NULL;
    json_array_foreach(array, i, text)
    {
        if (!json_is_string(text))
            return false;
    }
    return json_is_array(array) && json_array_size(array) <= LIST_MAX;
}

static int check_categories(const char *field, const json_t *value, struct pe_error *err)
{
    return is_text_list(value) ? 0 : wrong(err, field, "must be an array of at most 64 strings", value);
}

static int check_kinds(const char *field, const json_t *value, struct pe_error *err)
{
    size_t i = 0;
    const json_t *kind = NULL;
    if (!json_is_array(value) || json_array_size(value) > LIST_MAX)
        return wrong(err, field, "must be an array of at most 64 objects", value);
    json_array_foreach(value, i, kind)
    {
        const json_t *type = json_object_get(kind, "type"), *patterns = json_object_get(kind, "patterns");
        if (!json_is_string(type) || !strchr(json_string_value(type), '/') || !is_text_list(patterns))
            return wrong(err, field,
                         "must have a media 'type', as in text/plain, and an array 'patterns' in each entry",
                         kind);
    }
    return 0;
}

/* Names of files must be paths that a job may have. */
static bool is_example(const json_t *example)
{
    const json_t *file = json_object_get(example, "file"), *text = json_object_get(example, "text");
    const json_t *title = json_object_get(example, "title"), *input = json_object_get(example, "stdin");
    const json_t *cmd = json_object_get(example, "cmd");
    return json_is_string(file) && json_string_length(file) <= PE_PATH_MAX && json_is_string(text) &&
           (!title || json_is_string(title)) && (!input || json_is_boolean(input)) &&
           (!cmd || is_text_list(cmd));
}

static int check_examples(const char *field, const json_t *value, struct pe_error *err)
{
    size_t i = 0;
    const json_t *example = NULL;
    if (!json_is_array(value) || json_array_size(value) > LIST_MAX)
        return wrong(err, field, "must be an array of at most 64 objects", value);
    json_array_foreach(value, i, example)
    {
        if (!is_example(example))
            return wrong(err, field,
                         "must have strings 'file' and 'text' in each entry; 'title' is a string, "
                         "'stdin' true or false, 'cmd' an array of strings",
                         example);
    }
    return 0;
}

/* ---- options ---- */

static bool is_enum_member(const json_t *choices, const json_t *value)
{
    size_t i = 0;
    const json_t *choice = NULL;
    json_array_foreach(choices, i, choice)
    {
        if (json_equal(choice, value))
            return true;
    }
    return false;
}

static bool fits_range(const json_t *option, const json_t *value)
{
    const json_t *least = json_object_get(option, "minimum"), *most = json_object_get(option, "maximum");
    return (!least || json_number_value(value) >= json_number_value(least)) &&
           (!most || json_number_value(value) <= json_number_value(most));
}

static bool fits_type(const json_t *option, const char *type, const json_t *value)
{
    const json_t *choices = json_object_get(option, "enum");
    if (!strcmp(type, "boolean"))
        return json_is_boolean(value);
    if (!strcmp(type, "string"))
        return json_is_string(value) && (!choices || is_enum_member(choices, value));
    if (!strcmp(type, "integer"))
        return json_is_integer(value) && fits_range(option, value);
    return !strcmp(type, "number") && json_is_number(value) && fits_range(option, value);
}

static int check_option(const char *name, const json_t *option, struct pe_error *err)
{
    static const char *const known[] = {"title", "description", "type",    "enum",      "default",
                                        "argv",  "minimum",     "maximum", "maxLength", "pattern"};
    const char *type = json_string_value(json_object_get(option, "type"));
    const json_t *value = json_object_get(option, "default"), *argv = json_object_get(option, "argv");
    const char *key = NULL;
    json_t *ignored = NULL;
    char text[PE_JSON_EXCERPT_SIZE];
    json_object_foreach((json_t *)option, key, ignored)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found |= !strcmp(key, known[i]);
        if (!found)
            return pe_fail(err, PE_ERR_MALFORMED, "option '%s' has an unknown key '%s'", name, key);
    }
    if (!type || (strcmp(type, "boolean") != 0 && strcmp(type, "string") != 0 &&
                  strcmp(type, "integer") != 0 && strcmp(type, "number") != 0))
        return pe_fail(err, PE_ERR_MALFORMED,
                       "option '%s': its type must be boolean, string, integer or number, not %s", name,
                       pe_json_excerpt(json_object_get(option, "type"), text));
    if (json_object_get(option, "enum") &&
        (!is_text_list(json_object_get(option, "enum")) || strcmp(type, "string") != 0))
        return pe_fail(
            err, PE_ERR_MALFORMED,
            "option '%s': 'enum' must be an array of at most 64 strings, and its type string, not %s", name,
            pe_json_excerpt(json_object_get(option, "enum"), text));
    if (!is_text_list(argv) || json_array_size(argv) > WORDS_PER_OPTION_MAX)
        return pe_fail(err, PE_ERR_MALFORMED,
                       "option '%s': 'argv' must be an array of at most %u strings, not %s", name,
                       WORDS_PER_OPTION_MAX, pe_json_excerpt(argv, text));
    return !value || fits_type(option, type, value)
               ? 0
               : pe_fail(err, PE_ERR_MALFORMED,
                         "option '%s': its default is not of its type %s, or not in its enum or range: %s",
                         name, type, pe_json_excerpt(value, text));
}

static int check_options(const char *field, const json_t *value, struct pe_error *err)
{
    json_t *properties = json_object_get(value, "properties"), *option = NULL;
    const char *name = NULL;
    if (!json_is_object(properties) || json_object_size(properties) > OPTIONS_MAX)
        return wrong(err, field, "must have an object 'properties' with at most 64 options", value);
    json_object_foreach(properties, name, option)
    {
        if (check_option(name, option, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- all fields ---- */

int pe_metadata_parse(const json_t *json, json_t **metadata, struct pe_error *err)
{
    static const struct {
        const char *name;
        int (*check)(const char *field, const json_t *value, struct pe_error *err);
    } fields[] = {{"categories", check_categories}, {"inputs", check_kinds},
                  {"outputs", check_kinds},         {"examples", check_examples},
                  {"options", check_options},       {"piston", pe_runtimes_check}};
    *metadata = NULL;
    pe_autojson json_t *known = json_object();
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        json_t *value = json_object_get(json, fields[i].name);
        if (value && fields[i].check(fields[i].name, value, err) < 0)
            return -1;
        if (value && json_object_set(known, fields[i].name, value) < 0)
            return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the metadata field '%s'", fields[i].name);
    }
    if (json_object_size(known) == 0)
        return 0;
    const size_t size = json_dumpb(known, NULL, 0, JSON_COMPACT);
    if (!size)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the metadata");
    if (size > PE_METADATA_BYTES_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "the metadata has over %u bytes", PE_METADATA_BYTES_MAX);
    *metadata = json_incref(known);
    return 0;
}

/* ---- lookups ---- */

static void value_text(const json_t *value, char text[PE_TEXT_MAX])
{
    if (json_is_integer(value))
        snprintf(text, PE_TEXT_MAX, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, PE_TEXT_MAX, "%g", json_real_value(value));
    else
        snprintf(text, PE_TEXT_MAX, "%s", json_is_string(value) ? json_string_value(value) : "");
}

/* Returns -1 without memory. */
static int append_argv(json_t *argv, const json_t *option, const json_t *value)
{
    size_t i = 0;
    const json_t *argument = NULL;
    pe_autofree char *text = malloc(PE_TEXT_MAX);
    if (!text)
        return -1;
    value_text(value, text);
    json_array_foreach(json_object_get(option, "argv"), i, argument)
    {
        const char *form = json_string_value(argument), *mark = strstr(form, "{}");
        json_t *word =
            mark ? json_sprintf("%.*s%s%s", (int)(mark - form), form, text, mark + 2) : json_string(form);
        if (json_array_append_new(argv, word) < 0)
            return -1;
    }
    return 0;
}

json_t *pe_metadata_default_argv(const json_t *metadata)
{
    pe_autojson json_t *argv = json_array();
    json_t *option = NULL;
    const char *name = NULL;
    json_object_foreach(json_object_get(json_object_get(metadata, "options"), "properties"), name, option)
    {
        const json_t *value = json_object_get(option, "default");
        bool adds =
            value && !json_is_false(value) && (!json_is_string(value) || json_string_length(value) > 0);
        if (adds && json_array_size(argv) + WORDS_PER_OPTION_MAX <= PE_METADATA_ARGV_MAX &&
            append_argv(argv, option, value) < 0)
            return NULL;
    }
    return json_incref(argv);
}

/* Call `visit` for each pattern of the image's inputs and commands until it returns true. Returns
 * whether one did. */
static bool find_pattern(const json_t *image, bool (*visit)(const json_t *pattern, void *context),
                         void *context)
{
    size_t i = 0, k = 0;
    const json_t *kind = NULL, *pattern = NULL;
    json_array_foreach(json_object_get(image, "inputs"), i, kind)
    {
        json_array_foreach(json_object_get(kind, "patterns"), k, pattern)
        {
            if (visit(pattern, context))
                return true;
        }
    }
    json_array_foreach(json_object_get(image, "commands"), i, kind)
    {
        if (visit(json_object_get(kind, "files"), context))
            return true;
    }
    return false;
}

static bool count_pattern(const json_t *pattern, void *count)
{
    *(size_t *)count += json_string_length(pattern) / 64 + 1;
    return false;
}

size_t pe_metadata_count_patterns(const json_t *image)
{
    size_t count = 0;
    (void)find_pattern(image, count_pattern, &count);
    return count;
}

struct file_names {
    const char *path, *last;
};

static bool matches(const json_t *pattern, void *context)
{
    const struct file_names *file = context;
    const char *glob = json_string_value(pattern);
    return glob &&
           (pe_glob_match(glob, file->path) || (file->last != file->path && pe_glob_match(glob, file->last)));
}

bool pe_metadata_accepts_file(const json_t *image, const char *file)
{
    const char *slash = strrchr(file, '/');
    struct file_names names = {.path = file, .last = slash ? slash + 1 : file};
    return find_pattern(image, matches, &names);
}

/* A pattern is made into an automaton, and both names are put through it. */
size_t pe_metadata_match_work(const json_t *image, const char *file)
{
    enum { AUTOMATON_WORK = 64 };
    return (1 + pe_metadata_count_patterns(image)) * 2 * (AUTOMATON_WORK + strlen(file));
}
