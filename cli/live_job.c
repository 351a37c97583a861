/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from each event, and printing without waiting. */
#include "cli/live_job.h"

#include "codec/base64.h"
#include "proto/limits.h"
#include "proto/problem.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A pipe that poll(2) reports as writable takes as much without waiting (pipe(7), PIPE_BUF). */
#define PIECE_BYTES 4096u

void live_job_init(struct live_job *job, bool is_combined, struct progress *progress)
{
    *job = (struct live_job){.is_combined = is_combined, .progress = progress, .fd = -1};
}

static void forget_files(struct live_job *job)
{
    for (size_t i = 0; i < job->files.count; i++)
        event_free(&job->files.items[i]);
    free(job->files.items);
    job->files = (struct live_files){0};
    response_free(&job->response);
}

void live_job_free(struct live_job *job)
{
    forget_files(job);
    event_free(&job->printing);
}

/* ---- files ---- */

/* Of the event that was added to `list` last, keep the bytes. The event is empty then. */
static int keep(struct live_files *files, struct response_files *list, struct event *event,
                struct pe_error *err)
{
    files->bytes += event->size;
    if (files->bytes > PE_OUTPUT_BYTES_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "it has more than %u MiB of output files",
                       PE_OUTPUT_BYTES_MAX / PE_MIB);
    struct event *items = reallocarray(files->items, files->count + 1, sizeof *items);
    if (!items)
        return pe_fail_errno(err, "out of memory for output files");
    files->items = items;
    if (event_forget_members(event, err) < 0)
        return -1;
    list->items[list->count - 1].bytes.data = event->data;
    files->items[files->count++] = *event;
    *event = (struct event){0};
    return 0;
}

/* `name_base64` has the exact bytes of a name that is not UTF-8. */
static int add_named(struct response_files *files, const struct event *event, struct pe_error *err)
{
    const json_t *name = json_object_get(event->json, "name");
    const json_t *exact = json_object_get(event->json, "name_base64");
    const struct response_bytes bytes = {.data = event->data, .size = event->size};
    if (json_is_string(exact)) {
        size_t size = 0;
        uint8_t *decoded = pe_base64_decode(json_string_value(exact), json_string_length(exact), &size, err);
        int failed = decoded ? response_files_add(files, (const char *)decoded, size, &bytes, err) : -1;
        free(decoded);
        return failed;
    }
    if (!json_is_string(name))
        return pe_fail(err, PE_ERR_MALFORMED, "it has no name");
    return response_files_add(files, json_string_value(name), json_string_length(name), &bytes, err);
}

static int take_file(struct live_job *job, struct event *event, struct pe_error *err)
{
    struct response_files *files =
        event->kind == EVENT_FOLDER ? &job->response.folders : &job->response.files;
    if (add_named(files, event, err) < 0)
        return -1;
    response_file_set_attributes(&files->items[files->count - 1], event->json);
    return keep(&job->files, files, event, err);
}

/* ---- printing ---- */

static void begin_printing(struct live_job *job, struct event *event, int fd)
{
    if (job->is_closed[fd] || event->size == 0)
        return;
    progress_clear(job->progress);
    /* The line would be drawn over what the program has written. */
    if (isatty(fd))
        job->progress->is_on = false;
    event_free(&job->printing);
    job->printing = *event;
    *event = (struct event){0};
    job->printed = 0;
    job->fd = fd;
    job->has_printed = true;
}

bool live_job_is_printing(const struct live_job *job)
{
    return job->fd >= 0;
}

static void end_printing(struct live_job *job)
{
    event_free(&job->printing);
    job->fd = -1;
}

int live_job_print(struct live_job *job, struct pe_error *err)
{
    while (job->fd >= 0) {
        struct pollfd out = {.fd = job->fd, .events = POLLOUT};
        if (poll(&out, 1, 0) <= 0)
            return 0;
        size_t left = job->printing.size - job->printed;
        ssize_t n =
            write(job->fd, job->printing.data + job->printed, left < PIECE_BYTES ? left : PIECE_BYTES);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            return 0;
        if (n < 0 && errno != EPIPE)
            return pe_fail_errno(err, "cannot write to %s",
                                 job->fd == STDOUT_FILENO ? "standard output" : "standard error");
        if (n < 0)
            job->is_closed[job->fd] = true;
        job->printed += n > 0 ? (size_t)n : 0;
        if (n < 0 || job->printed == job->printing.size)
            end_printing(job);
    }
    return 0;
}

/* ---- events ---- */

static void take_restart(struct live_job *job, const struct event *event)
{
    char shown[128];
    const char *reason = json_string_value(json_object_get(event->json, "reason"));
    forget_files(job);
    job->has_started = false;
    if (!job->has_printed)
        return;
    job->has_printed = false;
    progress_clear(job->progress);
    fprintf(stderr, "pe-run: the job is started again, and its output begins again%s%s%s\n",
            reason ? " (" : "", reason ? pe_path_printable(reason, strlen(reason), shown, sizeof shown) : "",
            reason ? ")" : "");
}

static int take_input(struct live_job *job, const struct event *event, struct pe_error *err)
{
    json_int_t bytes = event_number(event, "bytes");
    if (bytes < 0)
        return pe_fail(err, PE_ERR_MALFORMED, "it has no number of bytes");
    job->input_taken += (uint64_t)bytes;
    return 0;
}

static void take_start(struct live_job *job, const struct event *event)
{
    json_int_t window = event_number(event, "input_window");
    job->has_started = true;
    job->input_window = window > 0 ? (uint64_t)window : 0;
}

static int take_result(struct live_job *job, const struct event *event, struct pe_error *err)
{
    job->has_ended = true;
    response_set_summary(&job->response, event->json);
    return pe_result_from_json(event->json, &job->response.result, err);
}

static int take_case(struct live_job *job, const struct event *event, struct pe_error *err)
{
    struct case_report *cases = job->cases;
    if (!cases)
        return 0;
    if (case_report_take(cases, event->kind == EVENT_CASE, event->json, err) < 0)
        return -1;
    if (event->kind == EVENT_CASE)
        progress_note(job->progress, "%zu of %zu cases, %zu right", cases->done, cases->case_count,
                      cases->right);
    return 0;
}

static int take_problem(struct live_job *job, const struct event *event, struct pe_error *err)
{
    struct pe_problem problem;
    if (pe_problem_from_json(json_object_get(event->json, "problem"), &problem, err) < 0)
        return -1;
    job->has_ended = job->was_refused = true;
    response_refuse(&problem, 0, &job->refusal);
    return 0;
}

/* Of what was printed, the response only has the size. */
static void take_output(struct live_job *job, struct response_bytes *stream, struct event *event, int fd)
{
    stream->size += event->size;
    if (!job->is_combined)
        begin_printing(job, event, fd);
}

static int take(struct live_job *job, struct event *event, struct pe_error *err)
{
    switch (event->kind) {
    case EVENT_STARTED:
        take_start(job, event);
        break;
    case EVENT_STDOUT:
        take_output(job, &job->response.standard_output, event, STDOUT_FILENO);
        break;
    case EVENT_STDERR:
        take_output(job, &job->response.standard_error, event, STDERR_FILENO);
        break;
    case EVENT_COMBINED:
        if (job->is_combined)
            begin_printing(job, event, STDOUT_FILENO);
        break;
    case EVENT_RESTARTED:
        take_restart(job, event);
        break;
    case EVENT_TAKEN:
        return take_input(job, event, err);
    case EVENT_STAGE:
    case EVENT_CASE:
        return take_case(job, event, err);
    case EVENT_FILE:
    case EVENT_FOLDER:
        return take_file(job, event, err);
    case EVENT_RESULT:
        return take_result(job, event, err);
    case EVENT_PROBLEM:
        return take_problem(job, event, err);
    case EVENT_QUEUED:
    case EVENT_OTHER:
        break;
    }
    return 0;
}

int live_job_take(struct live_job *job, const void *text, size_t size, struct pe_error *err)
{
    autoevent struct event event = {0};
    if (event_read(text, size, &event, err) < 0)
        return -1;
    if (job->has_ended)
        return pe_fail(err, PE_ERR_MALFORMED, "the server sent an event after the end of the job");
    if (take(job, &event, err) == 0)
        return 0;
    if (err->kind != PE_ERR_INTERNAL)
        err->kind = PE_ERR_MALFORMED;
    return pe_fail_context(err, "the server sent a broken event '%s'",
                           json_string_value(json_object_get(event.json, "type")));
}

int live_job_check_end(const struct live_job *job, struct pe_error *err)
{
    if (!job->has_ended)
        return pe_fail(err, PE_ERR_LOST, "the connection to the server ended before the job did");
    if (!job->was_refused)
        return 0;
    *err = job->refusal;
    return -1;
}
