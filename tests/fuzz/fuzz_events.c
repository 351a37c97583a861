/* SPDX-License-Identifier: Apache-2.0 */
/* The events of a job, as a server sends them to pe-run. However they are cut, a job ends at most once, keeps
 * its limits, and has a result or the reason why there is none. */
#include "cli/event_stream.h"
#include "proto/limits.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <unistd.h>

/* Bytes that are printed nowhere, so that the events follow each other at once. */
static void close_output(struct live_job *job)
{
    job->is_closed[STDOUT_FILENO] = job->is_closed[STDERR_FILENO] = true;
}

static void check(const struct live_job *job)
{
    struct pe_error err = {0};
    size_t total = 0;
    HOLDS(!live_job_is_printing(job));
    HOLDS(job->response.files.count <= PE_OUTPUT_FILES_MAX && job->files.bytes <= PE_OUTPUT_BYTES_MAX);
    for (size_t i = 0; i < job->response.files.count; i++) {
        const struct response_bytes *bytes = &job->response.files.items[i].bytes;
        free(fuzz_text(bytes->data, bytes->size)); /* ASan sees it if a byte is not there */
        total += bytes->size;
    }
    HOLDS(total == job->files.bytes);
    if (live_job_check_end(job, &err) == 0)
        HOLDS(job->has_ended && !job->was_refused);
    else
        HOLDS(err.kind && err.message[0]);
}

static void check_cases(const struct case_report *cases)
{
    size_t done = 0, right = 0;
    for (size_t i = 0; i < cases->case_count; i++) {
        const struct case_row *row = &cases->cases[i];
        done += row->is_known;
        right += row->is_good;
        HOLDS(strlen(row->name) < sizeof row->name && strlen(row->note) < sizeof row->note);
    }
    HOLDS(cases->done == done && cases->right == right);
}

static const char case_job[] = "{\"stages\": [{}, {\"expect\": {\"compare\": \"exact\"}}], \"cases\": "
                               "[{\"expect\": \"1\\n\"}, {\"expect\": "
                               "{\"compare\": \"trailing-space\", \"text\": \"a\\nb c\"}}, {}]}";

static int feed(const uint8_t *bytes, size_t size, size_t piece, bool is_combined)
{
    struct progress progress = {0};
    const struct http_server server = {.url = "http://server"};
    autolivejob struct live_job job = {0};
    autoeventstream struct event_stream stream = {0};
    struct pe_error err = {0};
    struct case_report cases;
    const struct input_files files = {0};
    live_job_init(&job, is_combined, &progress);
    HOLDS(case_report_init(&cases, case_job, &files, &err) == 0);
    job.cases = &cases;
    event_stream_init(&stream, &server, &job);
    close_output(&job);
    int failed = 0;
    for (size_t at = 0; at < size && !failed; at += piece)
        failed = event_stream_feed(&stream, bytes + at, piece < size - at ? piece : size - at, &err);
    HOLDS(!failed || err.message[0]);
    if (!failed)
        check(&job);
    check_cases(&cases);
    case_report_free(&cases);
    return failed ? -1 : (int)job.has_ended;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    int whole = feed(bytes, size, size ? size : 1, false);
    HOLDS(feed(bytes, size, 1, false) == whole);
    HOLDS(feed(bytes, size, 7, true) == whole);
    return 0;
}
