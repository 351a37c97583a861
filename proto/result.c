/* The forms of a result: flat text from a guest that may lie, and JSON between our own programs and to the
 * client. */
#include "proto/result.h"

#include "proto/flat.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

static const char *const status_names[] = {"exited", "signaled",     "timeout",
                                           "oom",    "output_limit", "vm_error"};
const char *const pe_phase_names[PE_PHASES] = {"queue", "vm", "input", "run", "output"};
const char *const pe_step_names[PE_STEPS] = {"spawn", "restore", "ready",  "input", "go",
                                             "exec",  "program", "output", "parse"};

enum { STATUS_COUNT = sizeof status_names / sizeof *status_names };

/* A week: no duration of a job is longer, whatever a guest says. */
#define DURATION_US_MAX (7ull * 24 * 3600 * 1000000)

const char *pe_status_name(enum pe_status status)
{
    return status_names[status];
}

static int parse_status(const char *name, enum pe_status *status, struct pe_error *err)
{
    for (int i = 0; i < STATUS_COUNT; i++)
        if (!strcmp(status_names[i], name)) {
            *status = (enum pe_status)i;
            return 0;
        }
    return pe_fail(err, PE_ERR_MALFORMED, "unknown status");
}

/* Where each numeric key goes and how large it may be. */
struct number_key {
    const char *key;
    uint64_t max;
    uint64_t *value;
};

static int take_number(const struct pe_flat_entry *entry, const struct number_key *keys, size_t count,
                       struct pe_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(keys[i].key, entry->key))
            return pe_flat_u64(entry, keys[i].max, keys[i].value, err);
    return 0;
}

int pe_result_from_flat(const void *text, size_t size, struct pe_result *result, struct pe_error *err)
{
    *result = (struct pe_result){.status = PE_STATUS_VM_ERROR, .exit_code = -1};
    uint64_t exit_code = UINT64_MAX, signal = 0, out_cut = 0, err_cut = 0;
    const struct number_key keys[] = {
        {"exit_code", 255, &exit_code},
        {"signal", 64, &signal},
        {"stdout_truncated", 1, &out_cut},
        {"stderr_truncated", 1, &err_cut},
        {"wall_us", DURATION_US_MAX, &result->wall_us},
        {"user_us", DURATION_US_MAX, &result->user_us},
        {"system_us", DURATION_US_MAX, &result->system_us},
        {"exec_us", DURATION_US_MAX, &result->step_us[PE_STEP_EXEC]},
        {"program_us", DURATION_US_MAX, &result->step_us[PE_STEP_PROGRAM]},
        {"output_us", DURATION_US_MAX, &result->step_us[PE_STEP_OUTPUT]},
        {"max_rss_kib", UINT32_MAX, &result->max_rss_kib},
        {"outputs_dropped", UINT32_MAX, &result->outputs_dropped},
    };
    struct pe_cursor cursor = {.at = text, .left = size};
    struct pe_flat_entry entry;
    bool has_status = false;
    int got = 0;
    while ((got = pe_flat_next(&cursor, &entry, err)) > 0) {
        if (!strcmp(entry.key, "status")) {
            if (parse_status(entry.value, &result->status, err) < 0)
                return -1;
            has_status = true;
        } else if (!strcmp(entry.key, "reason")) {
            snprintf(result->reason, sizeof result->reason, "%.*s", (int)sizeof result->reason - 1,
                     entry.value);
        } else if (take_number(&entry, keys, sizeof keys / sizeof *keys, err) < 0) {
            return -1;
        }
    }
    if (got < 0)
        return -1;
    if (!has_status)
        return pe_fail(err, PE_ERR_MALFORMED, "no status");
    result->exit_code = exit_code == UINT64_MAX ? -1 : (int)exit_code;
    result->signal = (int)signal;
    result->stdout_truncated = out_cut;
    result->stderr_truncated = err_cut;
    return 0;
}

/* Microseconds as milliseconds with three decimals. */
static json_t *ms_from_us(uint64_t us)
{
    return json_real((double)us / 1000.0);
}

static json_t *timing_to_json(const struct pe_result *result)
{
    json_t *timing = json_object();
    int failed = !timing;
    for (int phase = 0; phase < PE_PHASES && !failed; phase++)
        failed |= json_object_set_new(timing, pe_phase_names[phase], ms_from_us(result->phase_us[phase]));
    if (!failed)
        return timing;
    json_decref(timing);
    return NULL;
}

static json_t *steps_to_json(const struct pe_result *result)
{
    json_t *steps = json_object();
    int failed = !steps;
    for (int step = 0; step < PE_STEPS && !failed; step++)
        failed |=
            json_object_set_new(steps, pe_step_names[step], json_integer((json_int_t)result->step_us[step]));
    if (!failed)
        return steps;
    json_decref(steps);
    return NULL;
}

/* A guest's text may be any bytes; JSON wants UTF-8. */
static json_t *text_to_json(const char *text)
{
    json_t *json = json_string(text);
    return json ? json : json_string("(not valid UTF-8)");
}

json_t *pe_result_to_json(const struct pe_result *result)
{
    json_t *exit_code = result->exit_code < 0 ? json_null() : json_integer(result->exit_code);
    json_t *signal = result->signal ? json_integer(result->signal) : json_null();
    json_t *json = json_pack(
        "{s:s, s:o, s:o, s:s, s:s, s:{s:o, s:o, s:o, s:I}, s:b, s:b, s:I, s:b, s:o, s:o}", "status",
        pe_status_name(result->status), "exit_code", exit_code, "signal", signal, "image", result->image,
        "image_digest", result->image_digest, "usage", "wall_ms", ms_from_us(result->wall_us), "user_ms",
        ms_from_us(result->user_us), "system_ms", ms_from_us(result->system_us), "max_rss_kib",
        (json_int_t)result->max_rss_kib, "stdout_truncated", result->stdout_truncated, "stderr_truncated",
        result->stderr_truncated, "outputs_dropped", (json_int_t)result->outputs_dropped, "cached",
        result->cached, "timing_ms", timing_to_json(result), "phases_us", steps_to_json(result));
    if (json && result->reason[0] && json_object_set_new(json, "reason", text_to_json(result->reason)) < 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* Text that is the same in JSON as it is, as names of images are. */
static bool is_plain(const char *text)
{
    return !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:@./_-")];
}

static int put_ms(struct pe_buf *out, const char *name, uint64_t us, struct pe_error *err)
{
    return pe_buf_printf(out, err, "\"%s\":%llu.%03u", name, (unsigned long long)(us / 1000),
                         (unsigned)(us % 1000));
}

static int put_timing(const struct pe_result *result, struct pe_buf *out, struct pe_error *err)
{
    for (int phase = 0; phase < PE_PHASES; phase++)
        if ((phase && pe_buf_append(out, ",", 1, err) < 0) ||
            put_ms(out, pe_phase_names[phase], result->phase_us[phase], err) < 0)
            return -1;
    if (pe_buf_append_text(out, "},\"phases_us\":{", err) < 0)
        return -1;
    for (int step = 0; step < PE_STEPS; step++)
        if (pe_buf_printf(out, err, "%s\"%s\":%llu", step ? "," : "", pe_step_names[step],
                          (unsigned long long)result->step_us[step]) < 0)
            return -1;
    return 0;
}

static int put_plain(const struct pe_result *result, struct pe_buf *out, struct pe_error *err)
{
    char exit_code[16] = "null", signal[16] = "null";
    if (result->exit_code >= 0)
        snprintf(exit_code, sizeof exit_code, "%d", result->exit_code);
    if (result->signal)
        snprintf(signal, sizeof signal, "%d", result->signal);
    if (pe_buf_printf(
            out, err,
            "{\"status\":\"%s\",\"exit_code\":%s,\"signal\":%s,\"image\":\"%s\",\"image_digest\":\"%s\","
            "\"usage\":{",
            pe_status_name(result->status), exit_code, signal, result->image, result->image_digest) < 0 ||
        put_ms(out, "wall_ms", result->wall_us, err) < 0 || pe_buf_append(out, ",", 1, err) < 0 ||
        put_ms(out, "user_ms", result->user_us, err) < 0 || pe_buf_append(out, ",", 1, err) < 0 ||
        put_ms(out, "system_ms", result->system_us, err) < 0 ||
        pe_buf_printf(out, err,
                      ",\"max_rss_kib\":%llu},\"stdout_truncated\":%s,\"stderr_truncated\":%s,"
                      "\"outputs_dropped\":%llu,\"cached\":%s,\"timing_ms\":{",
                      (unsigned long long)result->max_rss_kib, result->stdout_truncated ? "true" : "false",
                      result->stderr_truncated ? "true" : "false",
                      (unsigned long long)result->outputs_dropped, result->cached ? "true" : "false") < 0 ||
        put_timing(result, out, err) < 0)
        return -1;
    return pe_buf_append(out, "}}", 2, err);
}

int pe_result_put_json(const struct pe_result *result, struct pe_buf *out, struct pe_error *err)
{
    if (!result->reason[0] && is_plain(result->image) && is_plain(result->image_digest))
        return put_plain(result, out, err);
    json_t *json = pe_result_to_json(result);
    char *text = json ? json_dumps(json, PE_RESULT_JSON_FLAGS) : NULL;
    int failed =
        text ? pe_buf_append_text(out, text, err) : pe_fail(err, PE_ERR_INTERNAL, "encoding a result");
    free(text);
    json_decref(json);
    return failed;
}

static uint64_t us_from_ms(const json_t *object, const char *key)
{
    double ms = json_number_value(json_object_get(object, key));
    return ms > 0 && ms < (double)DURATION_US_MAX / 1000 ? (uint64_t)(ms * 1000 + 0.5) : 0;
}

static void copy_text(const json_t *object, const char *key, char *text, size_t size)
{
    const char *value = json_string_value(json_object_get(object, key));
    snprintf(text, size, "%s", value ? value : "");
}

int pe_result_from_json(const json_t *json, struct pe_result *result, struct pe_error *err)
{
    *result = (struct pe_result){.exit_code = -1};
    const char *status = json_string_value(json_object_get(json, "status"));
    if (!status || parse_status(status, &result->status, err) < 0)
        return pe_fail(err, PE_ERR_MALFORMED, "result without a valid status");
    const json_t *exit_code = json_object_get(json, "exit_code");
    const json_t *signal = json_object_get(json, "signal");
    if (json_is_integer(exit_code))
        result->exit_code = (int)(json_integer_value(exit_code) & 255);
    if (json_is_integer(signal))
        result->signal = (int)(json_integer_value(signal) & 127);
    const json_t *usage = json_object_get(json, "usage");
    result->wall_us = us_from_ms(usage, "wall_ms");
    result->user_us = us_from_ms(usage, "user_ms");
    result->system_us = us_from_ms(usage, "system_ms");
    result->max_rss_kib = (uint64_t)json_integer_value(json_object_get(usage, "max_rss_kib"));
    result->stdout_truncated = json_is_true(json_object_get(json, "stdout_truncated"));
    result->stderr_truncated = json_is_true(json_object_get(json, "stderr_truncated"));
    result->outputs_dropped = (uint64_t)json_integer_value(json_object_get(json, "outputs_dropped"));
    result->cached = json_is_true(json_object_get(json, "cached"));
    copy_text(json, "image", result->image, sizeof result->image);
    copy_text(json, "image_digest", result->image_digest, sizeof result->image_digest);
    copy_text(json, "reason", result->reason, sizeof result->reason);
    const json_t *timing = json_object_get(json, "timing_ms");
    for (int phase = 0; phase < PE_PHASES; phase++)
        result->phase_us[phase] = us_from_ms(timing, pe_phase_names[phase]);
    const json_t *steps = json_object_get(json, "phases_us");
    for (int step = 0; step < PE_STEPS; step++) {
        json_int_t us = json_integer_value(json_object_get(steps, pe_step_names[step]));
        result->step_us[step] = us > 0 && us < (json_int_t)DURATION_US_MAX ? (uint64_t)us : 0;
    }
    return 0;
}
