/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of a job: members that workers do not know are put aside or read here, and what is left is
 * decoded as the job that workers get. There is no tree of values. */
#include "base/cleanup.h"
#include "codec/json_reader.h"
#include "lb/core/submission.h"
#include "proto/limits.h"

#include <string.h>

#define FILES "files" /* the member of a body in JSON */

const char *const submission_member_names[SUBMISSION_MEMBERS] = {
    [SUBMISSION_STAGES] = "stages",
    [SUBMISSION_CASES] = "cases",
    [SUBMISSION_ON_FAILURE] = "on_failure",
    [SUBMISSION_SLOTS] = "slots",
};

bool submission_has_stages(const struct submission *submission)
{
    for (int i = 0; i < SUBMISSION_MEMBERS; i++)
        if (submission->members[i].at)
            return true;
    return false;
}

/* ---- members ---- */

static int find_member(const char *name)
{
    int i = 0;
    while (i < SUBMISSION_MEMBERS && strcmp(submission_member_names[i], name) != 0)
        i++;
    return i;
}

static int sent_twice(const char *name, struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INVALID, "field '%s' was sent twice", name);
}

/* Append the text of a member that stays in the job: it begins with the comma in front of it, which the
 * first one loses. */
static int keep(struct pe_buf *text, struct pe_cursor member, struct pe_error *err)
{
    while (text->size == 1 && member.left && memchr(", \t\r\n", *member.at, 5)) {
        member.at++;
        member.left--;
    }
    return pe_buf_append(text, member.at, member.left, err);
}

/* What is known while the members of a job are read. */
struct walk {
    struct pe_json_reader reader;
    struct submission *submission;
    submission_files_parser *parse_files; /* NULL: there is no member `files` */
    bool has_files;
};

static int read_files(struct walk *walk, struct pe_error *err)
{
    if (walk->has_files)
        return sent_twice(FILES, err);
    walk->has_files = true;
    return walk->parse_files(&walk->reader, walk->submission, err);
}

/* Read the value of a member whose name was read. `*kept` is set if it stays in the job. */
static int read_member(struct walk *walk, const char *name, bool *kept, struct pe_error *err)
{
    int member = find_member(name);
    *kept = false;
    if (walk->parse_files && !strcmp(name, FILES))
        return read_files(walk, err);
    struct pe_cursor value = pe_json_parse_raw(&walk->reader);
    *kept = member == SUBMISSION_MEMBERS;
    if (*kept || walk->reader.fault)
        return 0;
    if (walk->submission->members[member].at)
        return sent_twice(name, err);
    walk->submission->members[member] = value;
    return 0;
}

static int read_members(struct walk *walk, struct pe_buf *text, struct pe_error *err)
{
    char name[16];
    bool kept = false;
    pe_json_enter(&walk->reader, '{');
    for (const uint8_t *begin = walk->reader.rest.at; pe_json_next_member(&walk->reader, name, sizeof name);
         begin = walk->reader.rest.at) {
        if (read_member(walk, name, &kept, err) < 0)
            return -1;
        const struct pe_cursor member = {.at = begin, .left = (size_t)(walk->reader.rest.at - begin)};
        if (kept && !walk->reader.fault && keep(text, member, err) < 0)
            return -1;
    }
    return pe_json_ended(&walk->reader, err);
}

/* ---- the job ---- */

static int too_large(size_t size, struct pe_error *err)
{
    return pe_fail(err, PE_ERR_TOO_LARGE,
                   "the job without its files, stages and cases has %zu bytes; at most %u are allowed", size,
                   PE_JOB_JSON_MAX);
}

static int decode(struct submission *submission, struct pe_cursor text, struct pe_error *err)
{
    if (text.left > PE_JOB_JSON_MAX)
        return too_large(text.left, err);
    submission->spec_text = text;
    return pe_job_spec_decode((const char *)text.at, text.left, &submission->spec, err);
}

int submission_parse_members(const void *body, size_t size, struct submission *submission,
                             submission_files_parser *parse_files, struct pe_error *err)
{
    struct pe_buf *text = &submission->owned_text;
    struct walk walk = {
        .reader = pe_json_read(body, size), .submission = submission, .parse_files = parse_files};
    if (pe_buf_append_text(text, "{", err) < 0)
        return -1;
    if (read_members(&walk, text, err) < 0)
        return walk.reader.fault ? pe_fail_context(err, "the %s is not JSON", parse_files ? "body" : "job")
                                 : -1;
    if (pe_buf_append_text(text, "}", err) < 0)
        return -1;
    return decode(submission, (struct pe_cursor){.at = text->data, .left = text->size}, err);
}

/* Most jobs have no stages: they are decoded at once, and workers get the text as it was sent. */
int submission_parse_job(const void *text, size_t size, struct submission *submission, struct pe_error *err)
{
    static const char *const quoted[SUBMISSION_MEMBERS] = {"\"stages\"", "\"cases\"", "\"on_failure\"",
                                                           "\"slots\""};
    const struct pe_cursor json = pe_json_behind_mark(text, size);
    for (int i = 0; i < SUBMISSION_MEMBERS; i++)
        if (memmem(json.at, json.left, quoted[i], strlen(quoted[i])))
            return submission_parse_members(json.at, json.left, submission, NULL, err);
    return decode(submission, json, err);
}
