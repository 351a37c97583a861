/* The order of the output archive: result, stdout, stderr, dir/... How an archive is written and which files
 * are wanted is decided elsewhere. */
#include "guest-init/deliver.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/archive.h"
#include "guest-init/layout.h"
#include "guest-init/outputs.h"
#include "proto/path.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define RESULT "result"
#define STDOUT "stdout"
#define STDERR "stderr"
#define PREFIX "dir/"

static uint64_t less(uint64_t from, uint64_t amount)
{
    return from > amount ? from - amount : 0;
}

/* What is left for the files when everything else is in the archive. */
static struct outputs_limits files_limits(const struct guest_job *job, const struct outcome *outcome,
                                          uint64_t capacity)
{
    uint64_t others = ARCHIVE_BLOCK + archive_cost(sizeof STDOUT, outcome->out.size) +
                      archive_cost(sizeof STDERR, outcome->err.size) + archive_trailer_cost();
    return (struct outputs_limits){
        .globs = job->globs,
        .glob_count = job->glob_count,
        .entries = job->output_files,
        .bytes = less(job->output_limit, outcome->out.size + outcome->err.size),
        .archive = less(capacity, others),
    };
}

static int select_outputs(const struct guest_job *job, struct outcome *outcome, uint64_t capacity,
                          struct outputs *outputs, struct pe_error *err)
{
    struct outputs_limits limits = files_limits(job, outcome, capacity);
    if (outputs_find(outputs, SCRATCH_OUTPUT, &limits, err) < 0 ||
        outputs_measure(outputs, &limits, sizeof PREFIX - 1, err) < 0)
        return -1;
    outcome->outputs_dropped = outputs->dropped;
    if (outputs->over_limit && outcome->status == OUTCOME_EXITED)
        outcome->status = OUTCOME_OUTPUT_LIMIT;
    return 0;
}

static int put_text(struct archive *archive, const char *name, const struct pe_buf *text,
                    struct pe_error *err)
{
    const struct archive_entry entry = {.name = name, .mode = S_IFREG | 0644, .size = text->size};
    return archive_put(archive, &entry, text->data, err);
}

static int put_output(struct archive *archive, const struct outputs *outputs, const struct output *output,
                      struct pe_error *err)
{
    char name[sizeof PREFIX + PE_PATH_MAX];
    snprintf(name, sizeof name, PREFIX "%s", output->path);
    const struct archive_entry entry = {
        .name = name, .mode = output->mode, .mtime = output->mtime, .size = output->size};
    if (!S_ISREG(output->mode))
        return archive_put(archive, &entry, NULL, err);
    pe_autoclose int file = outputs_open(outputs, output, err);
    return file < 0 ? -1 : archive_put_file(archive, &entry, file, err);
}

static int put_all(struct archive *archive, const struct outcome *outcome, const struct pe_buf *result,
                   const struct outputs *outputs, struct pe_error *err)
{
    if (put_text(archive, RESULT, result, err) < 0 || put_text(archive, STDOUT, &outcome->out, err) < 0 ||
        put_text(archive, STDERR, &outcome->err, err) < 0)
        return -1;
    for (size_t i = 0; i < outputs->count; i++)
        if (put_output(archive, outputs, &outputs->items[i], err) < 0)
            return -1;
    return archive_finish(archive, err);
}

/* `result` comes first, but says how long everything after it took. */
static int put_output_us(struct archive *archive, const struct pe_buf *result, uint64_t output_us,
                         struct pe_error *err)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%0*llu", (int)OUTCOME_OUTPUT_US_DIGITS,
                          (unsigned long long)output_us);
    if (length != (int)OUTCOME_OUTPUT_US_DIGITS)
        return 0; /* hours: leave it out */
    size_t place = archive_first_content(sizeof RESULT - 1) + result->size - 1 - OUTCOME_OUTPUT_US_DIGITS;
    return archive_patch(archive, place, digits, OUTCOME_OUTPUT_US_DIGITS, err);
}

int deliver(const struct guest_job *job, struct outcome *outcome, struct pe_error *err)
{
    uint64_t start_us = pe_now_us();
    pe_autoarchive struct archive archive = {.device = -1};
    pe_autooutputs struct outputs outputs = {.folder = -1};
    pe_autobuf struct pe_buf result = {0};
    if (archive_open(&archive, GUEST_OUTPUT_DEVICE, err) < 0)
        return -1;
    if (outcome->status != OUTCOME_VM_ERROR &&
        select_outputs(job, outcome, archive.capacity, &outputs, err) < 0) {
        outcome_set_vm_error(outcome, err);
        outputs_free(&outputs);
    }
    if (outcome_encode(outcome, &result, err) < 0 || put_all(&archive, outcome, &result, &outputs, err) < 0)
        return -1;
    return put_output_us(&archive, &result, pe_now_us() - start_us, err);
}
