/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a stage and of a case. Each is checked on its own here; what has to do with other stages is
 * request.c's part. */
#include "lb/cases/request.h"

#include "base/cleanup.h"
#include "codec/base64.h"
#include "proto/job_fields.h"
#include "proto/limits.h"
#include "proto/path.h"
#include "proto/stages.h"

#include <stdio.h>
#include <string.h>

/* What is being read: a stage or a case. */
struct item {
    struct case_request *request;
    const struct case_files *files;
    struct case_run *run;
    struct case_stage *stage; /* NULL: a case */
    struct case_case *one;    /* NULL: a stage */
};

typedef int parser(struct pe_json_reader *json, struct item *item, struct pe_error *err);

struct field {
    const char *name;
    parser *parse;
    bool of_stage, of_case;
};

static int unknown_field(const char *name, struct pe_error *err)
{
    char shown[64];
    return pe_fail(err, PE_ERR_INVALID, "unknown field '%s'",
                   pe_path_printable(name, strlen(name), shown, sizeof shown));
}

/* ---- bytes ---- */

static int compare_name(const struct case_files *files, size_t at, const struct pe_path *name)
{
    return strcmp(files->submission->files.items[files->order[at]].path.text, name->text);
}

/* The index of a file, or the number of files. */
static size_t find_file(const struct case_files *files, const struct pe_path *name)
{
    size_t low = 0, high = files->submission->files.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_name(files, middle, name);
        if (order == 0)
            return files->order[middle];
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return files->submission->files.count;
}

static int parse_file(struct pe_json_reader *json, struct item *item, struct case_bytes *bytes,
                      struct pe_error *err)
{
    struct pe_path path;
    pe_autofree char *name = NULL;
    const struct submission *submission = item->files->submission;
    if (pe_field_parse_text(json, "file", PE_PATH_MAX, &name, err) < 0)
        return -1;
    if (!name)
        return 0;
    if (pe_path_parse(name, strlen(name), 1, &path, err) < 0)
        return pe_fail_context(err, "field 'file'");
    size_t at = find_file(item->files, &path);
    if (at == submission->files.count)
        return pe_fail(err, PE_ERR_INVALID,
                       "field 'file' names '%.200s', which is not among the files that were sent", name);
    item->request->file_is_taken[at] = true;
    bytes->is_given = true;
    bytes->bytes =
        (struct pe_cursor){.at = submission->bytes[at], .left = (size_t)submission->files.items[at].size};
    return 0;
}

/* Text as a string; base64 as the value of a member, in quotes. */
static int parse_encoded(struct pe_json_reader *json, const char *kind, struct item *item,
                         struct case_bytes *bytes, struct pe_error *err)
{
    size_t size = 0;
    uint8_t *owned = NULL;
    if (pe_field_is_other(json, "\""))
        return pe_field_invalid(err, kind, "must be a string");
    if (!strcmp(kind, "base64")) {
        pe_autofree char *text = pe_json_parse_new_text(json, &size);
        if (text && !(owned = pe_base64_decode(text, size, &size, err)))
            return pe_fail_context(err, "field 'base64'");
    } else {
        owned = (uint8_t *)pe_json_parse_new_text(json, &size);
    }
    if (!owned)
        return 0;
    *bytes = (struct case_bytes){.is_given = true, .owned = owned, .bytes = {.at = owned, .left = size}};
    item->request->bytes += size;
    return 0;
}

/* The value of a member `text`, `base64` or `file`, of which there may be one. */
static int parse_source(struct pe_json_reader *json, const char *kind, struct item *item,
                        struct case_bytes *bytes, struct pe_error *err)
{
    if (bytes->is_given)
        return pe_fail(err, PE_ERR_INVALID, "only one of 'text', 'base64' and 'file' may be given");
    return strcmp(kind, "file") != 0 ? parse_encoded(json, kind, item, bytes, err)
                                     : parse_file(json, item, bytes, err);
}

static bool is_source(const char *name)
{
    return !strcmp(name, "text") || !strcmp(name, "base64") || !strcmp(name, "file");
}

static int parse_stdin(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    char name[16];
    struct case_bytes *input = &item->run->input;
    if (pe_json_parse_null(json))
        return 0;
    if (pe_field_is_other(json, "\"{"))
        return pe_field_invalid(err, "stdin",
                                "must be a string, {\"base64\": \"…\"} or {\"file\": \"a name\"}");
    if (pe_json_peek(json) == '"')
        return parse_encoded(json, "stdin", item, input, err);
    pe_json_enter(json, '{');
    while (pe_json_next_member(json, name, sizeof name))
        if ((is_source(name) ? parse_source(json, name, item, input, err) : unknown_field(name, err)) < 0)
            return pe_fail_context(err, "field 'stdin'");
    if (!input->is_given && !json->fault)
        return pe_field_invalid(err, "stdin", "has none of 'text', 'base64' and 'file'");
    return 0;
}

/* ---- lists of texts ---- */

static int count_texts(struct item *item, const char *field, size_t count, struct pe_error *err)
{
    item->request->texts += count;
    item->request->bytes += count * 48;
    if (item->request->texts > CASE_TEXTS_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "field '%s': the stages and cases have more than %u arguments and variables together",
                       field, CASE_TEXTS_MAX);
    return 0;
}

static int parse_list(struct pe_json_reader *json, const char *field, struct item *item,
                      struct case_texts *texts, struct pe_error *err)
{
    int failed =
        pe_field_parse_texts(json, field, PE_ARGS_MAX, PE_TEXT_MAX, &texts->items, &texts->count, err);
    return failed ? -1 : count_texts(item, field, texts->count, err);
}

static int parse_command(struct pe_json_reader *json, const char *field, struct item *item,
                         struct case_texts *texts, struct pe_error *err)
{
    if (parse_list(json, field, item, texts, err) < 0)
        return -1;
    bool is_empty = texts->count == 0 || !texts->items[0][0];
    return is_empty && !json->fault ? pe_field_invalid(err, field, "is empty") : 0;
}

static int parse_cmd(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    return parse_command(json, "cmd", item, &item->stage->cmd, err);
}

static int parse_args(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    return parse_list(json, "args", item, &item->one->args, err);
}

static int parse_env(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    struct case_texts *env = &item->stage->env;
    if (pe_field_parse_env(json, &env->items, &env->count, err) < 0)
        return -1;
    return count_texts(item, "env", env->count, err);
}

/* ---- needs ---- */

static int add_need(struct item *item, const char *name, struct pe_error *err)
{
    const struct case_request *request = item->request;
    size_t own = (size_t)(item->stage - request->stages);
    for (size_t i = 0; i < own; i++)
        if (!strcmp(request->stages[i].run.name, name)) {
            item->stage->needs |= 1u << i;
            return 0;
        }
    return pe_fail(err, PE_ERR_INVALID, "field 'needs' names '%.64s', which is no earlier stage", name);
}

static int parse_need(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    pe_autofree char *name = NULL;
    if (pe_field_parse_text(json, "needs", CASE_NAME_MAX, &name, err) < 0)
        return -1;
    return name ? add_need(item, name, err) : 0;
}

static int parse_needs(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    item->stage->has_needs = true;
    if (pe_field_is_other(json, "\"["))
        return pe_field_invalid(err, "needs", "must be a string or an array of strings");
    if (pe_json_peek(json) == '"')
        return parse_need(json, item, err);
    pe_json_enter(json, '[');
    while (pe_json_next_element(json))
        if (parse_need(json, item, err) < 0)
            return -1;
    return 0;
}

/* ---- what is expected ---- */

static int parse_compare(struct pe_json_reader *json, struct case_expect *expect, struct pe_error *err)
{
    pe_autofree char *how = NULL;
    if (pe_field_parse_text(json, "compare", 32, &how, err) < 0)
        return -1;
    if (how && strcmp(how, "exact") != 0 && strcmp(how, "trailing-space") != 0)
        return pe_field_invalid(err, "compare", "must be \"exact\" or \"trailing-space\"");
    expect->has_compare = true;
    expect->is_exact = how && !strcmp(how, "exact");
    return 0;
}

static int parse_expected(struct pe_json_reader *json, const char *name, struct item *item,
                          struct pe_error *err)
{
    struct case_expect *expect = &item->run->expect;
    if (is_source(name))
        return parse_source(json, name, item, &expect->output, err);
    if (!strcmp(name, "compare"))
        return parse_compare(json, expect, err);
    if (!strcmp(name, "checker"))
        return expect->checker.items ? pe_field_invalid(err, "checker", "was sent twice")
                                     : parse_command(json, "checker", item, &expect->checker, err);
    if (strcmp(name, "exit_code") != 0)
        return unknown_field(name, err);
    expect->has_exit_code = true;
    return pe_field_parse_whole(json, "exit_code", "an exit status", 0, 255, &expect->exit_code, err);
}

static int parse_expect(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    char name[16];
    struct case_expect *expect = &item->run->expect;
    if (pe_field_is_other(json, "\"{"))
        return pe_field_invalid(err, "expect", "must be a string or an object");
    if (pe_json_peek(json) == '"')
        return parse_encoded(json, "expect", item, &expect->output, err);
    pe_json_enter(json, '{');
    while (pe_json_next_member(json, name, sizeof name))
        if (parse_expected(json, name, item, err) < 0)
            return pe_fail_context(err, "field 'expect'");
    if (expect->checker.items && expect->has_compare)
        return pe_field_invalid(err, "expect", "has 'compare' as well as 'checker', which decides alone");
    return 0;
}

/* ---- names and numbers ---- */

static int parse_name(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    if (pe_field_parse_text(json, "name", CASE_NAME_MAX, &item->run->name, err) < 0)
        return -1;
    if (item->run->name && !item->run->name[0])
        return pe_field_invalid(err, "name", "is empty");
    return 0;
}

static int parse_timeout(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    return pe_field_parse_whole(json, "timeout_ms", "milliseconds", 1, PE_STAGE_MS_MAX,
                                &item->run->timeout_ms, err);
}

static int parse_cpu(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    return pe_field_parse_whole(json, "cpu_ms", "milliseconds", 1, PE_STAGE_MS_MAX, &item->run->cpu_ms, err);
}

static int parse_memory(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    return pe_field_parse_whole(json, "memory_mib", "MiB", 1, PE_GUEST_MEMORY_MIB, &item->run->memory_mib,
                                err);
}

static int parse_stdout_max(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    return pe_field_parse_whole(json, "stdout_max", "bytes", 1, PE_OUTPUT_BYTES_MAX, &item->run->stdout_max,
                                err);
}

static int parse_stderr_max(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    return pe_field_parse_whole(json, "stderr_max", "bytes", 1, PE_OUTPUT_BYTES_MAX, &item->run->stderr_max,
                                err);
}

/* ---- the object ---- */

static const struct field fields[] = {
    {"name", parse_name, true, true},
    {"cmd", parse_cmd, true, false},
    {"args", parse_args, false, true},
    {"env", parse_env, true, false},
    {"stdin", parse_stdin, true, true},
    {"needs", parse_needs, true, false},
    {"timeout_ms", parse_timeout, true, true},
    {"cpu_ms", parse_cpu, true, true},
    {"memory_mib", parse_memory, true, true},
    {"stdout_max", parse_stdout_max, true, true},
    {"stderr_max", parse_stderr_max, true, true},
    {"expect", parse_expect, true, true},
};

enum { FIELDS = sizeof fields / sizeof *fields };

static int parse_member(struct pe_json_reader *json, const char *name, unsigned *seen, struct item *item,
                        struct pe_error *err)
{
    unsigned i = 0;
    while (i < FIELDS &&
           (strcmp(fields[i].name, name) != 0 || !(item->stage ? fields[i].of_stage : fields[i].of_case)))
        i++;
    if (i == FIELDS)
        return unknown_field(name, err);
    if (*seen & 1u << i)
        pe_json_fault(json, PE_FIELD_TWICE);
    *seen |= 1u << i;
    return json->fault ? 0 : fields[i].parse(json, item, err);
}

static int parse_item(struct pe_json_reader *json, struct item *item, struct pe_error *err)
{
    char name[16];
    unsigned seen = 0;
    if (pe_field_is_other(json, "{"))
        return pe_fail(err, PE_ERR_INVALID, "it must be an object");
    pe_json_enter(json, '{');
    while (pe_json_next_member(json, name, sizeof name))
        if (parse_member(json, name, &seen, item, err) < 0)
            return -1;
    return 0;
}

int case_stage_parse(struct pe_json_reader *json, const struct case_files *files,
                     struct case_request *request, struct case_stage *stage, struct pe_error *err)
{
    struct item item = {.request = request, .files = files, .run = &stage->run, .stage = stage};
    return parse_item(json, &item, err);
}

int case_case_parse(struct pe_json_reader *json, const struct case_files *files, struct case_request *request,
                    struct case_case *one, struct pe_error *err)
{
    struct item item = {.request = request, .files = files, .run = &one->run, .one = one};
    return parse_item(json, &item, err);
}

void case_texts_free(struct case_texts *texts)
{
    if (!texts->is_borrowed)
        pe_field_free_texts(texts->items, texts->count);
    *texts = (struct case_texts){0};
}
