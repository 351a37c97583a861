/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of a result: flat text from an untrusted guest, and JSON in the slot protocol and for
 * the client. */
#include "proto/result.h"

#include "codec/flat.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const status_names[] = {"exited",       "signaled",     "timeout", "oom",
                                           "output_limit", "stream_limit", "vm_error"};
const char *const pe_phase_names[PE_PHASES] = {"queue", "vm", "input", "run", "output"};
const char *const pe_step_names[PE_STEPS] = {"spawn", "restore", "ready",  "input", "go",
                                             "exec",  "program", "output", "parse"};

enum { STATUS_COUNT = sizeof status_names / sizeof *status_names };

/* A week. A longer duration is not believed. */
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
    return pe_fail(err, PE_ERR_MALFORMED, "the status is unknown");
}

int pe_result_from_flat(const void *text, size_t size, struct pe_result *result, struct pe_error *err)
{
    *result = (struct pe_result){.status = PE_STATUS_VM_ERROR, .exit_code = -1};
    uint64_t exit_code = UINT64_MAX, signal = 0, out_cut = 0, err_cut = 0;
    struct pe_flat_number numbers[] = {
        {"exit_code", 255, &exit_code, false},
        {"signal", 64, &signal, false},
        {"stdout_truncated", 1, &out_cut, false},
        {"stderr_truncated", 1, &err_cut, false},
        {"wall_us", DURATION_US_MAX, &result->wall_us, false},
        {"user_us", DURATION_US_MAX, &result->user_us, false},
        {"system_us", DURATION_US_MAX, &result->system_us, false},
        {"init_us", DURATION_US_MAX, &result->init_us, false},
        {"ready_us", DURATION_US_MAX, &result->ready_us, false},
        {"exec_us", DURATION_US_MAX, &result->step_us[PE_STEP_EXEC], false},
        {"program_us", DURATION_US_MAX, &result->step_us[PE_STEP_PROGRAM], false},
        {"output_us", DURATION_US_MAX, &result->step_us[PE_STEP_OUTPUT], false},
        {"max_rss_kib", UINT32_MAX, &result->max_rss_kib, false},
        {"outputs_dropped", UINT32_MAX, &result->outputs_dropped, false},
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
        } else if (!strcmp(entry.key, "dropped")) {
            pe_dropped_add_flat(&result->dropped, entry.value);
        } else if (!strcmp(entry.key, "reason")) {
            snprintf(result->reason, sizeof result->reason, "%.*s", (int)sizeof result->reason - 1,
                     entry.value);
        } else if (pe_flat_parse_number(&entry, numbers, sizeof numbers / sizeof *numbers, err) < 0) {
            return -1;
        }
    }
    if (got < 0)
        return -1;
    if (!has_status)
        return pe_fail(err, PE_ERR_MALFORMED, "the status is missing");
    result->exit_code = exit_code == UINT64_MAX ? -1 : (int)exit_code;
    result->signal = (int)signal;
    result->stdout_truncated = out_cut;
    result->stderr_truncated = err_cut;
    return 0;
}

/* ---- encoding JSON ---- */

static void append_number_or_null(struct pe_json_writer *writer, const char *name, bool there, int value)
{
    if (there)
        pe_json_append_number(writer, name, (uint64_t)value);
    else
        pe_json_append_null(writer, name);
}

static void append_isolation(struct pe_json_writer *writer, enum pe_isolation isolation)
{
    if (isolation == PE_ISOLATION_UNKNOWN)
        pe_json_append_null(writer, "isolation");
    else
        pe_json_append_text(writer, "isolation", pe_isolation_name(isolation));
}

static void append_times(const struct pe_result *result, struct pe_json_writer *writer)
{
    pe_json_open(writer, "timing_ms", '{');
    for (int phase = 0; phase < PE_PHASES; phase++)
        pe_json_append_ms(writer, pe_phase_names[phase], result->phase_us[phase]);
    pe_json_close(writer, '}');
    pe_json_open(writer, "phases_us", '{');
    for (int step = 0; step < PE_STEPS; step++)
        pe_json_append_number(writer, pe_step_names[step], result->step_us[step]);
    pe_json_close(writer, '}');
}

void pe_result_append_members(const struct pe_result *result, struct pe_json_writer *writer)
{
    pe_json_append_text(writer, "status", pe_status_name(result->status));
    append_number_or_null(writer, "exit_code", result->exit_code >= 0, result->exit_code);
    append_number_or_null(writer, "signal", result->signal != 0, result->signal);
    pe_json_append_text(writer, "image", result->image);
    pe_json_append_text(writer, "image_digest", result->image_digest);
    append_isolation(writer, result->isolation);
    if (result->trusted_host)
        pe_json_append_bool(writer, "trusted_host", true);
    pe_json_open(writer, "usage", '{');
    pe_json_append_ms(writer, "wall_ms", result->wall_us);
    pe_json_append_ms(writer, "user_ms", result->user_us);
    pe_json_append_ms(writer, "system_ms", result->system_us);
    pe_json_append_number(writer, "max_rss_kib", result->max_rss_kib);
    pe_json_close(writer, '}');
    pe_json_append_bool(writer, "stdout_truncated", result->stdout_truncated);
    pe_json_append_bool(writer, "stderr_truncated", result->stderr_truncated);
    pe_json_append_number(writer, "outputs_dropped", result->outputs_dropped);
    pe_dropped_append_json(&result->dropped, writer);
    pe_json_append_bool(writer, "cached", result->cached);
    append_times(result, writer);
    if (result->reason[0])
        pe_json_append_text(writer, "reason", result->reason);
}

/* ---- decoding JSON ---- */

static int parse_number_or_null(struct pe_json_reader *reader, int null, uint64_t most)
{
    return pe_json_parse_null(reader) ? null : (int)pe_json_parse_number(reader, most);
}

static void parse_usage(struct pe_json_reader *reader, struct pe_result *result)
{
    char key[16];
    pe_json_enter(reader, '{');
    while (pe_json_next_member(reader, key, sizeof key))
        if (!strcmp(key, "wall_ms"))
            result->wall_us = pe_json_parse_ms(reader, DURATION_US_MAX);
        else if (!strcmp(key, "user_ms"))
            result->user_us = pe_json_parse_ms(reader, DURATION_US_MAX);
        else if (!strcmp(key, "system_ms"))
            result->system_us = pe_json_parse_ms(reader, DURATION_US_MAX);
        else if (!strcmp(key, "max_rss_kib"))
            result->max_rss_kib = pe_json_parse_number(reader, UINT32_MAX);
        else
            pe_json_skip(reader);
}

/* Read an object of times. `parse` reads one of them. */
static void parse_times(struct pe_json_reader *reader, const char *const *names, size_t count,
                        uint64_t (*parse)(struct pe_json_reader *reader, uint64_t most), uint64_t *times_us)
{
    char key[16];
    pe_json_enter(reader, '{');
    while (pe_json_next_member(reader, key, sizeof key)) {
        size_t i = 0;
        while (i < count && strcmp(names[i], key) != 0)
            i++;
        if (i < count)
            times_us[i] = parse(reader, DURATION_US_MAX);
        else
            pe_json_skip(reader);
    }
}

static void parse_status_text(struct pe_json_reader *reader, struct pe_result *result)
{
    char name[16];
    struct pe_error ignored;
    pe_json_parse_text(reader, name, sizeof name);
    if (!reader->fault && parse_status(name, &result->status, &ignored) < 0)
        pe_json_fault(reader, "an unknown status");
}

/* A name that a later version added is one that this version does not know. */
static enum pe_isolation parse_isolation(struct pe_json_reader *reader)
{
    char name[16];
    enum pe_isolation isolation = PE_ISOLATION_UNKNOWN;
    struct pe_error ignored;
    if (pe_json_parse_null(reader))
        return isolation;
    pe_json_parse_text_cut(reader, name, sizeof name);
    return pe_isolation_parse(name, &isolation, &ignored) < 0 ? PE_ISOLATION_UNKNOWN : isolation;
}

static void parse_member(struct pe_json_reader *reader, const char *key, struct pe_result *result)
{
    if (!strcmp(key, "exit_code"))
        result->exit_code = parse_number_or_null(reader, -1, 255);
    else if (!strcmp(key, "signal"))
        result->signal = parse_number_or_null(reader, 0, 127);
    else if (!strcmp(key, "image"))
        pe_json_parse_text(reader, result->image, sizeof result->image);
    else if (!strcmp(key, "image_digest"))
        pe_json_parse_text(reader, result->image_digest, sizeof result->image_digest);
    else if (!strcmp(key, "isolation"))
        result->isolation = parse_isolation(reader);
    else if (!strcmp(key, "trusted_host"))
        result->trusted_host = pe_json_parse_bool(reader);
    else if (!strcmp(key, "usage"))
        parse_usage(reader, result);
    else if (!strcmp(key, "stdout_truncated"))
        result->stdout_truncated = pe_json_parse_bool(reader);
    else if (!strcmp(key, "stderr_truncated"))
        result->stderr_truncated = pe_json_parse_bool(reader);
    else if (!strcmp(key, "outputs_dropped"))
        result->outputs_dropped = pe_json_parse_number(reader, UINT32_MAX);
    else if (!strcmp(key, "dropped"))
        pe_dropped_parse_json(reader, &result->dropped);
    else if (!strcmp(key, "cached"))
        result->cached = pe_json_parse_bool(reader);
    else if (!strcmp(key, "timing_ms"))
        parse_times(reader, pe_phase_names, PE_PHASES, pe_json_parse_ms, result->phase_us);
    else if (!strcmp(key, "phases_us"))
        parse_times(reader, pe_step_names, PE_STEPS, pe_json_parse_number, result->step_us);
    else if (!strcmp(key, "reason"))
        pe_json_parse_text_cut(reader, result->reason, sizeof result->reason);
    else
        pe_json_skip(reader);
}

void pe_result_parse_json(struct pe_json_reader *reader, struct pe_result *result)
{
    char key[32];
    bool has_status = false;
    *result = (struct pe_result){.exit_code = -1};
    pe_json_enter(reader, '{');
    while (pe_json_next_member(reader, key, sizeof key))
        if (!strcmp(key, "status")) {
            parse_status_text(reader, result);
            has_status = true;
        } else {
            parse_member(reader, key, result);
        }
    if (!has_status)
        pe_json_fault(reader, "a result without a status");
}

int pe_result_from_json(const json_t *json, struct pe_result *result, struct pe_error *err)
{
    char *text = json_dumps(json, JSON_COMPACT);
    struct pe_json_reader reader = pe_json_read(text, text ? strlen(text) : 0);
    pe_result_parse_json(&reader, result);
    int failed = pe_json_ended(&reader, err);
    free(text);
    return failed ? pe_fail_context(err, "result") : 0;
}
