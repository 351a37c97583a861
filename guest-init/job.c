/* Decoding `job`. Pure parsing: reads bytes, touches nothing. */
#include "guest-init/job.h"

#include "codec/flat.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

#define JOB_VERSION 2u

/* Where a number goes and how large it may be. */
struct number_key {
    const char *key;
    uint64_t max;
    uint64_t *value;
};

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
        return pe_fail_errno(err, "allocating globs");
    char *copy = strdup(glob);
    if (!copy)
        return pe_fail_errno(err, "allocating a glob");
    job->globs[job->glob_count++] = copy;
    return 0;
}

/* The index of the entry's key in `keys`, or `count` when it is not a number's. */
static size_t find_number(const struct pe_flat_entry *entry, const struct number_key *keys, size_t count)
{
    size_t i = 0;
    while (i < count && strcmp(keys[i].key, entry->key))
        i++;
    return i;
}

static int parse_entries(struct pe_cursor *text, struct guest_job *job, const struct number_key *keys,
                         size_t count, struct pe_error *err)
{
    uint32_t seen = 0;
    struct pe_flat_entry entry;
    int got = 0;
    while ((got = pe_flat_next(text, &entry, err)) > 0) {
        size_t i = find_number(&entry, keys, count);
        if (i < count) {
            if (pe_flat_u64(&entry, keys[i].max, keys[i].value, err) < 0)
                return -1;
        } else if (!strcmp(entry.key, "entropy")) {
            if (parse_entropy(entry.value, job->entropy, err) < 0)
                return -1;
        } else if (!strcmp(entry.key, "output")) {
            if (add_glob(job, entry.value, err) < 0)
                return -1;
            continue;
        } else {
            job->new_container |= !strcmp(entry.key, "new_container");
            job->prewarm |= !strcmp(entry.key, "prewarm");
            continue;
        }
        seen |= 1u << i; /* `entropy` counts as the one after the numbers */
    }
    if (got < 0)
        return -1;
    for (size_t i = 0; i <= count; i++)
        if (!(seen & 1u << i))
            return pe_fail(err, PE_ERR_MALFORMED, "no '%s'", i < count ? keys[i].key : "entropy");
    return 0;
}

int guest_job_parse(const void *text, size_t size, struct guest_job *job, struct pe_error *err)
{
    *job = (struct guest_job){0};
    uint64_t version = 0;
    const struct number_key keys[] = {
        {"version", UINT32_MAX, &version},
        {"now_ns", INT64_MAX, &job->now_ns},
        {"timeout_ms", PE_TIMEOUT_MS_MAX, &job->timeout_ms},
        {"stdout_limit", PE_OUTPUT_DEVICE_BYTES, &job->stdout_limit},
        {"stderr_limit", PE_OUTPUT_DEVICE_BYTES, &job->stderr_limit},
        {"output_limit", PE_OUTPUT_DEVICE_BYTES, &job->output_limit},
        {"output_files", PE_OUTPUT_FILES_MAX, &job->output_files},
        {"scratch_bytes", UINT32_MAX, &job->scratch_bytes},
    };
    struct pe_cursor cursor = {.at = text, .left = size};
    if (parse_entries(&cursor, job, keys, sizeof keys / sizeof *keys, err) < 0)
        return pe_fail_context(err, "the job");
    if (version != JOB_VERSION)
        return pe_fail(err, PE_ERR_MALFORMED, "the job has version %llu, this guest knows %u",
                       (unsigned long long)version, JOB_VERSION);
    if (job->scratch_bytes == 0) /* a tmpfs of size 0 has no limit */
        return pe_fail(err, PE_ERR_MALFORMED, "the job: 'scratch_bytes' is 0");
    return 0;
}

void guest_job_free(struct guest_job *job)
{
    for (size_t i = 0; i < job->glob_count; i++)
        free(job->globs[i]);
    free(job->globs);
    *job = (struct guest_job){0};
}
