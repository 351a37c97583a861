/* SPDX-License-Identifier: Apache-2.0 */
/* The table of problem types, and their JSON form. */
#include "proto/problem.h"

#include "base/utf8.h"
#include "codec/json_list.h"

#include <stdio.h>
#include <string.h>

static const struct {
    enum pe_error_kind kind;
    int status;
    const char *type, *title;
    unsigned retry_after_s;
} types[] = {
    {PE_ERR_INTERNAL, 500, "internal", "The service failed", 0},
    {PE_ERR_MALFORMED, 400, "malformed-request", "The request is malformed", 0},
    {PE_ERR_NOT_FOUND, 404, "not-found", "Not found", 0},
    {PE_ERR_TOO_LARGE, 413, "too-large", "A limit is exceeded", 0},
    {PE_ERR_UNSUPPORTED, 415, "unsupported-media-type", "The body has another media type", 0},
    {PE_ERR_INVALID, 422, "invalid-job", "The job is not valid", 0},
    {PE_ERR_BUSY, 503, "no-capacity", "There is no capacity now", 1},
    {PE_ERR_LOST, 504, "job-lost", "The job was lost", 0},
    {PE_ERR_TIMEOUT, 504, "job-lost", "The job was lost", 0},
};

struct pe_problem pe_problem_from_error(const struct pe_error *err)
{
    size_t at = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].kind == err->kind)
            at = i;
    struct pe_problem problem = {.status = types[at].status, .retry_after_s = types[at].retry_after_s};
    snprintf(problem.type, sizeof problem.type, "%s", types[at].type);
    snprintf(problem.title, sizeof problem.title, "%s", types[at].title);
    snprintf(problem.detail, sizeof problem.detail, "%s", err->message);
    return problem;
}

/* A detail may quote bytes of a client, but JSON must be UTF-8. */
static json_t *detail_to_json(const char *detail)
{
    json_t *text = json_string(detail);
    if (text)
        return text;
    char ascii[PE_ERROR_MESSAGE_MAX];
    size_t i = 0;
    for (; i < sizeof ascii - 1 && detail[i]; i++)
        ascii[i] = (unsigned char)detail[i] < 0x80 ? detail[i] : '?';
    ascii[i] = '\0';
    return json_string(ascii);
}

static json_t *isolations_to_json(struct pe_isolation_set set)
{
    json_t *names = json_array();
    for (int i = PE_ISOLATION_HARDWARE; i < PE_ISOLATIONS; i++)
        if (pe_isolation_set_has(set, (enum pe_isolation)i))
            pe_json_list_add(&names, json_string(pe_isolation_name((enum pe_isolation)i)));
    return names;
}

json_t *pe_problem_to_json(const struct pe_problem *problem)
{
    char type[64];
    snprintf(type, sizeof type, "/problems/%s", problem->type);
    json_t *available = problem->available.bits ? isolations_to_json(problem->available) : NULL;
    if (problem->available.bits && !available)
        return NULL;
    return json_pack("{s:s, s:s, s:i, s:o, s:o*}", "type", type, "title", problem->title, "status",
                     problem->status, "detail", detail_to_json(problem->detail), "available", available);
}

/* Copy UTF-8, and cut what does not fit, but not within a character: JSON must be UTF-8. */
static void copy_cut(const char *value, char *text, size_t size)
{
    size_t length = strlen(value);
    if (length >= size)
        length = size - 1 - pe_utf8_unfinished_size((const uint8_t *)value, size - 1);
    memcpy(text, value, length);
    text[length] = '\0';
}

static void copy_text(const json_t *json, const char *key, char *text, size_t size)
{
    const char *value = json_string_value(json_object_get(json, key));
    copy_cut(value ? value : "", text, size);
}

int pe_problem_from_json(const json_t *json, struct pe_problem *problem, struct pe_error *err)
{
    *problem = (struct pe_problem){0};
    json_int_t status = json_integer_value(json_object_get(json, "status"));
    if (status < 400 || status > 599)
        return pe_fail(err, PE_ERR_MALFORMED, "a problem has no valid status");
    problem->status = (int)status;
    const char *type = json_string_value(json_object_get(json, "type"));
    const char *slash = type ? strrchr(type, '/') : NULL;
    copy_cut(slash ? slash + 1 : "internal", problem->type, sizeof problem->type);
    copy_text(json, "title", problem->title, sizeof problem->title);
    copy_text(json, "detail", problem->detail, sizeof problem->detail);
    return 0;
}
