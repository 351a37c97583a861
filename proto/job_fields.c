/* SPDX-License-Identifier: Apache-2.0 */
/* Reading values of members, and saying what is wrong with one. Which members there are is decided by the
 * callers. */
#include "proto/job_fields.h"

#include "base/cleanup.h"
#include "codec/base64.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int pe_field_invalid(struct pe_error *err, const char *field, const char *what)
{
    return pe_fail(err, PE_ERR_INVALID, "field '%s' %s", field, what);
}

/* Invalid JSON is reported by the reader. */
bool pe_field_is_other(struct pe_json_reader *json, const char *first_bytes)
{
    int first = pe_json_peek(json);
    return first > 0 && strchr("{[\"tfn-0123456789", first) && !strchr(first_bytes, first);
}

/* ---- texts ---- */

int pe_field_parse_text(struct pe_json_reader *json, const char *field, size_t max, char **out,
                        struct pe_error *err)
{
    size_t length = 0;
    if (pe_field_is_other(json, "\""))
        return pe_field_invalid(err, field, "must be a string");
    char *text = pe_json_parse_new_text(json, &length);
    *out = text;
    if (!text)
        return 0;
    if (length > max)
        return pe_field_invalid(err, field, "is too long");
    if (strlen(text) != length)
        return pe_field_invalid(err, field, "has a NUL character");
    return 0;
}

/* Make room for one more entry and the final NULL. The list grows at powers of two. */
static int grow(char ***strings, size_t count, const char *field, struct pe_error *err)
{
    if (*strings && (count & (count - 1)) != 0)
        return 0;
    size_t capacity = count ? 2 * count : 1;
    char **grown = realloc(*strings, (capacity + 1) * sizeof *grown);
    if (!grown) {
        pe_fail_errno(err, "field '%s'", field);
        return -1;
    }
    memset(grown + count, 0, (capacity + 1 - count) * sizeof *grown);
    *strings = grown;
    return 0;
}

int pe_field_parse_texts(struct pe_json_reader *json, const char *field, size_t most, size_t max, char ***out,
                         size_t *count, struct pe_error *err)
{
    if (pe_field_is_other(json, "["))
        return pe_field_invalid(err, field, "must be an array of strings");
    if (grow(out, 0, field, err) < 0)
        return -1;
    pe_json_enter(json, '[');
    while (pe_json_next_element(json)) {
        if (*count == most)
            return pe_field_invalid(err, field, "has too many entries");
        if (grow(out, *count, field, err) < 0 ||
            pe_field_parse_text(json, field, max, &(*out)[*count], err) < 0)
            return -1;
        *count += (*out)[*count] != NULL;
    }
    return 0;
}

/* The entry behind the last one may have been read when its check failed. */
void pe_field_free_texts(char **texts, size_t count)
{
    for (size_t i = 0; texts && i <= count; i++)
        free(texts[i]);
    free(texts);
}

/* ---- environment variables ---- */

static bool has_variable(char *const *env, size_t count, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < count; i++)
        if (!strncmp(env[i], name, length) && env[i][length] == '=')
            return true;
    return false;
}

static int parse_variable(struct pe_json_reader *json, const char *name, char ***out, size_t *count,
                          struct pe_error *err)
{
    pe_autofree char *value = NULL;
    if (!*name || strchr(name, '='))
        return pe_field_invalid(err, "env", "has a name that is empty, too long or contains '='");
    if (has_variable(*out, *count, name))
        pe_json_fault(json, PE_FIELD_TWICE);
    if (json->fault)
        return 0;
    if (pe_field_parse_text(json, "env", PE_TEXT_MAX, &value, err) < 0 || grow(out, *count, "env", err) < 0)
        return -1;
    if (value && asprintf(&(*out)[*count], "%s=%s", name, value) < 0) {
        (*out)[*count] = NULL;
        return pe_fail_errno(err, "field 'env'");
    }
    *count += value != NULL;
    return 0;
}

int pe_field_parse_env(struct pe_json_reader *json, char ***out, size_t *count, struct pe_error *err)
{
    char name[PE_PATH_COMPONENT_MAX + 1];
    if (pe_field_is_other(json, "{"))
        return pe_field_invalid(err, "env", "must be an object of strings");
    pe_json_enter(json, '{');
    while (pe_json_next_member(json, name, sizeof name)) {
        if (*count == PE_ENV_MAX)
            return pe_field_invalid(err, "env", "has too many entries");
        if (parse_variable(json, name, out, count, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- numbers ---- */

int pe_field_parse_any_whole(struct pe_json_reader *json, const char *field, const char *unit,
                             uint32_t *value, struct pe_error *err)
{
    bool is_number = !pe_field_is_other(json, "-0123456789");
    struct pe_cursor number = pe_json_parse_raw(json);
    struct pe_json_reader digits = pe_json_read(number.at, number.left);
    if (json->fault)
        return 0;
    if (!is_number || memchr(number.at, '.', number.left) || memchr(number.at, 'e', number.left) ||
        memchr(number.at, 'E', number.left))
        return pe_fail(err, PE_ERR_INVALID, "field '%s' must be a whole number of %s", field, unit);
    *value = (uint32_t)pe_json_parse_number(&digits, UINT32_MAX);
    if (digits.fault)
        *value = UINT32_MAX;
    return 0;
}

int pe_field_parse_whole(struct pe_json_reader *json, const char *field, const char *unit, uint32_t least,
                         uint32_t most, uint32_t *value, struct pe_error *err)
{
    if (pe_field_parse_any_whole(json, field, unit, value, err) < 0)
        return -1;
    if (!json->fault && (*value < least || *value > most))
        return pe_fail(err, PE_ERR_INVALID, "field '%s' must be from %u to %u", field, least, most);
    return 0;
}

/* ---- bytes ---- */

static int invalid_bytes(const char *what, struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INVALID, "%.250s must be a string, or {\"base64\": \"…\"}", what);
}

/* The text of {"base64": "…"}. The caller frees it. */
static int parse_base64(struct pe_json_reader *json, const char *what, char **text, size_t *length,
                        struct pe_error *err)
{
    char key[8];
    size_t members = 0;
    pe_json_enter(json, '{');
    while (pe_json_next_member(json, key, sizeof key)) {
        bool is_text = !strcmp(key, "base64") && members++ == 0 && pe_json_peek(json) == '"';
        if (!is_text && !json->fault)
            return invalid_bytes(what, err);
        if (is_text)
            *text = pe_json_parse_new_text(json, length);
    }
    return *text || json->fault ? 0 : invalid_bytes(what, err);
}

int pe_field_parse_bytes(struct pe_json_reader *json, const char *what, uint8_t **bytes, size_t *size,
                         struct pe_error *err)
{
    pe_autofree char *text = NULL;
    size_t length = 0;
    *bytes = NULL;
    if (pe_field_is_other(json, "\"{"))
        return invalid_bytes(what, err);
    if (pe_json_peek(json) == '"') {
        *bytes = (uint8_t *)pe_json_parse_new_text(json, size);
        return 0;
    }
    if (parse_base64(json, what, &text, &length, err) < 0)
        return -1;
    if (json->fault)
        return 0;
    *bytes = pe_base64_decode(text, length, size, err);
    return *bytes ? 0 : pe_fail_context(err, "%.250s", what);
}
