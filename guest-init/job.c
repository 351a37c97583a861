/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding the file `job`. This file only parses text. */
#include "guest-init/job.h"

#include "codec/flat.h"
#include "proto/limits.h"
#include "proto/slot_live.h"

#include <stdlib.h>
#include <string.h>

/* Version 3 has the same keys and two more, process_limit and stack_bytes. Version 4 has live_input, rows and
 * cols. */
#define JOB_VERSION_LEAST 2u
#define JOB_VERSION 4u

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_entropy(const char *text, uint8_t *entropy, struct pe_error *err)
{
    if (strlen(text) != 2 * GUEST_ENTROPY_BYTES)
        return pe_fail(err, PE_ERR_MALFORMED, "'entropy' is not %u bytes", GUEST_ENTROPY_BYTES);
    for (size_t i = 0; i < GUEST_ENTROPY_BYTES; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return pe_fail(err, PE_ERR_MALFORMED, "'entropy' is not hexadecimal");
        entropy[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

static int add_glob(struct guest_job *job, const char *glob, struct pe_error *err)
{
    if (job->glob_count == PE_GLOBS_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "more than %u globs", PE_GLOBS_MAX);
    if (!job->globs && !(job->globs = calloc(PE_GLOBS_MAX, sizeof *job->globs)))
        return pe_fail_errno(err, "out of memory for globs");
    char *copy = strdup(glob);
    if (!copy)
        return pe_fail_errno(err, "out of memory for a glob");
    job->globs[job->glob_count++] = copy;
    return 0;
}

/* Parse an entry whose value is not a number. Entries with unknown keys are ignored. */
static int parse_entry(const struct pe_flat_entry *entry, struct guest_job *job, bool *has_entropy,
                       struct pe_error *err)
{
    if (!strcmp(entry->key, "entropy")) {
        *has_entropy = true;
        return parse_entropy(entry->value, job->entropy, err);
    }
    if (!strcmp(entry->key, "output"))
        return add_glob(job, entry->value, err);
    job->new_container |= !strcmp(entry->key, "new_container");
    job->combined |= !strcmp(entry->key, "combined");
    job->stop_at_output_limit |= !strcmp(entry->key, "stop_at_output_limit");
    job->prewarm |= !strcmp(entry->key, "prewarm");
    job->live_input |= !strcmp(entry->key, "live_input");
    return 0;
}

/* The first `required` of the numbers have to be there, and so has the entropy. */
static int parse_entries(struct pe_cursor *text, struct guest_job *job, struct pe_flat_number *numbers,
                         size_t count, size_t required, struct pe_error *err)
{
    struct pe_flat_entry entry;
    bool has_entropy = false;
    int got = 0;
    while ((got = pe_flat_next(text, &entry, err)) > 0) {
        int parsed = pe_flat_parse_number(&entry, numbers, count, err);
        if (parsed < 0 || (parsed == 0 && parse_entry(&entry, job, &has_entropy, err) < 0))
            return -1;
    }
    if (got < 0)
        return -1;
    for (size_t i = 0; i < required; i++)
        if (!numbers[i].found)
            return pe_fail(err, PE_ERR_MALFORMED, "key '%s' is missing", numbers[i].key);
    return has_entropy ? 0 : pe_fail(err, PE_ERR_MALFORMED, "key 'entropy' is missing");
}

int guest_job_parse(const void *text, size_t size, struct guest_job *job, struct pe_error *err)
{
    *job = (struct guest_job){0};
    uint64_t version = 0;
    struct pe_flat_number numbers[] = {
        {"version", UINT32_MAX, &version, false},
        {"now_ns", INT64_MAX, &job->now_ns, false},
        {"timeout_ms", PE_JOB_MS_MAX, &job->timeout_ms, false},
        {"stdout_limit", PE_OUTPUT_DEVICE_BYTES, &job->stdout_limit, false},
        {"stderr_limit", PE_OUTPUT_DEVICE_BYTES, &job->stderr_limit, false},
        {"output_limit", PE_OUTPUT_DEVICE_BYTES, &job->output_limit, false},
        {"output_files", PE_OUTPUT_FILES_MAX, &job->output_files, false},
        {"scratch_bytes", UINT32_MAX, &job->scratch_bytes, false},
        {"process_limit", UINT32_MAX, &job->process_limit, false},
        {"stack_bytes", UINT32_MAX, &job->stack_bytes, false},
        {"rows", PE_WINDOW_SIDE_MAX, &job->rows, false},
        {"cols", PE_WINDOW_SIDE_MAX, &job->cols, false},
    };
    const size_t count = sizeof numbers / sizeof *numbers, required = count - 4;
    struct pe_cursor cursor = {.at = text, .left = size};
    if (parse_entries(&cursor, job, numbers, count, required, err) < 0)
        return pe_fail_context(err, "the job");
    if (version < JOB_VERSION_LEAST || version > JOB_VERSION)
        return pe_fail(err, PE_ERR_MALFORMED, "the job has version %llu, this guest knows %u to %u",
                       (unsigned long long)version, JOB_VERSION_LEAST, JOB_VERSION);
    if (job->scratch_bytes == 0) /* for tmpfs, a size of 0 means no limit */
        return pe_fail(err, PE_ERR_MALFORMED, "the job: 'scratch_bytes' is 0");
    if (!job->rows != !job->cols || (job->rows && !job->live_input))
        return pe_fail(err, PE_ERR_MALFORMED, "the job: a terminal needs 'live_input', 'rows' and 'cols'");
    return 0;
}

void guest_job_free(struct guest_job *job)
{
    for (size_t i = 0; i < job->glob_count; i++)
        free(job->globs[i]);
    free(job->globs);
    *job = (struct guest_job){0};
}
