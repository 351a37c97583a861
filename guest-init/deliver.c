/* SPDX-License-Identifier: Apache-2.0 */
/* The content of the output archive: result, stdout, stderr, perhaps combined, dir/... guest-init/archive.c
 * writes it, and guest-init/outputs.c finds the files. */
#include "guest-init/deliver.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/archive.h"
#include "guest-init/devices.h"
#include "guest-init/layout.h"
#include "guest-init/outputs.h"
#include "proto/path.h"

#include <stdio.h>
#include <sys/stat.h>

#define RESULT "result"
#define STDOUT "stdout"
#define STDERR "stderr"
#define COMBINED "combined"
#define PREFIX "dir/"

static uint64_t less(uint64_t from, uint64_t amount)
{
    return from > amount ? from - amount : 0;
}

/* The limits for files: what the other entries leave. */
static struct outputs_limits files_limits(const struct guest_job *job, const struct exit_report *report,
                                          uint64_t capacity)
{
    uint64_t others = ARCHIVE_BLOCK + archive_cost(sizeof STDOUT, report->out.size) +
                      archive_cost(sizeof STDERR, report->err.size) +
                      archive_cost(sizeof COMBINED, report->combined.size) + archive_trailer_cost();
    return (struct outputs_limits){
        .globs = job->globs,
        .glob_count = job->glob_count,
        .entries = job->output_files,
        .bytes = less(job->output_limit, report->out.size + report->err.size + report->combined.size),
        .archive = less(capacity, others),
    };
}

static int select_outputs(const struct guest_job *job, struct exit_report *report, uint64_t capacity,
                          struct outputs *outputs, struct pe_error *err)
{
    struct outputs_limits limits = files_limits(job, report, capacity);
    if (outputs_find(outputs, SCRATCH_OUTPUT, &limits, err) < 0 ||
        outputs_measure(outputs, &limits, sizeof PREFIX - 1, err) < 0)
        return -1;
    report->outputs_dropped = outputs->dropped;
    if (outputs->over_limit && report->status == EXIT_REPORT_EXITED)
        report->status = EXIT_REPORT_OUTPUT_LIMIT;
    return 0;
}

static int append_text(struct archive *archive, const char *name, const struct pe_buf *text,
                       struct pe_error *err)
{
    const struct archive_entry entry = {.name = name, .mode = S_IFREG | 0644, .size = text->size};
    return archive_append(archive, &entry, text->data, err);
}

static int append_output(struct archive *archive, const struct outputs *outputs, const struct output *output,
                         struct pe_error *err)
{
    char name[sizeof PREFIX + PE_PATH_MAX];
    snprintf(name, sizeof name, PREFIX "%s", output->path);
    const struct archive_entry entry = {
        .name = name, .mode = output->mode, .mtime = output->mtime, .size = output->size};
    if (!S_ISREG(output->mode))
        return archive_append(archive, &entry, NULL, err);
    pe_autoclose int file = outputs_open(outputs, output, err);
    return file < 0 ? -1 : archive_append_file(archive, &entry, file, err);
}

static int append_all(struct archive *archive, const struct exit_report *report, const struct pe_buf *result,
                      const struct outputs *outputs, struct pe_error *err)
{
    if (append_text(archive, RESULT, result, err) < 0 ||
        append_text(archive, STDOUT, &report->out, err) < 0 ||
        append_text(archive, STDERR, &report->err, err) < 0 ||
        (report->has_combined && append_text(archive, COMBINED, &report->combined, err) < 0))
        return -1;
    for (size_t i = 0; i < outputs->count; i++)
        if (append_output(archive, outputs, &outputs->items[i], err) < 0)
            return -1;
    return 0;
}

/* The first entry, `result`, says how long the rest of the archive took, except for the last chunk, which is
 * written afterwards. The place of the number is at the end of the text, `end` bytes behind its start. */
static int patch_output_us(struct archive *archive, size_t end, uint64_t output_us, struct pe_error *err)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%0*llu", (int)EXIT_REPORT_OUTPUT_US_DIGITS,
                          (unsigned long long)output_us);
    if (length != (int)EXIT_REPORT_OUTPUT_US_DIGITS)
        return 0; /* more than two hours; the value stays 0 */
    size_t place = archive_first_content(sizeof RESULT - 1) + end - 1 - EXIT_REPORT_OUTPUT_US_DIGITS;
    return archive_patch(archive, place, digits, EXIT_REPORT_OUTPUT_US_DIGITS, err);
}

int deliver(const struct guest_job *job, struct exit_report *report, struct pe_error *err)
{
    uint64_t start_us = pe_now_us();
    pe_autoarchive struct archive archive = {.device = -1};
    pe_autooutputs struct outputs outputs = {.folder = -1};
    pe_autobuf struct pe_buf result = {0};
    if (archive_open(&archive, guest_devices()->output, err) < 0)
        return -1;
    if (report->status != EXIT_REPORT_VM_ERROR &&
        select_outputs(job, report, archive.capacity, &outputs, err) < 0) {
        exit_report_set_vm_error(report, err);
        outputs_free(&outputs);
    }
    if (exit_report_encode(report, &result, err) < 0)
        return -1;
    size_t end = result.size;
    if (dropped_names_encode(&outputs.names, &result, err) < 0 ||
        append_all(&archive, report, &result, &outputs, err) < 0 ||
        patch_output_us(&archive, end, pe_now_us() - start_us, err) < 0)
        return -1;
    return archive_finish(&archive, err);
}
