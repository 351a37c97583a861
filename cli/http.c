/* SPDX-License-Identifier: Apache-2.0 */
/* Sending requests and waiting for the replies. transfer.c sets up one request, job_poll.c asks
 * about the state of a job, response.c interprets a reply. */
#include "cli/http.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/job_poll.h"
#include "cli/trace.h"
#include "cli/transfer.h"
#include "codec/multipart.h"
#include "proto/limits.h"

#include <curl/curl.h>
#include <string.h>

/* Base64 in a JSON reply takes a third more bytes than the content. */
#define REPLY_BYTES_MAX (PE_OUTPUT_BYTES_MAX / 3 * 4 + 4 * PE_MIB)

/* A result in JSON: a control character is one byte of output, and six of JSON. */
#define JSON_RESULT_BYTES_MAX (6 * PE_OUTPUT_BYTES_MAX + 4 * PE_MIB)

/* ---- waiting ---- */

static void multi_free(CURLM **multi)
{
    curl_multi_cleanup(*multi);
}

static curl_off_t get_number(CURL *curl, CURLINFO what)
{
    curl_off_t number = 0;
    curl_easy_getinfo(curl, what, &number);
    return number;
}

static double to_mib(curl_off_t bytes)
{
    return (double)bytes / PE_MIB;
}

/* Report the progress of a job's request. While the job waits or runs, `poll` asks the server for
 * its state. */
static void report_progress(const struct transfer *transfer, CURLM *multi, struct job_poll *poll)
{
    struct progress *progress = transfer->server->progress;
    curl_off_t total = get_number(transfer->curl, CURLINFO_CONTENT_LENGTH_UPLOAD_T);
    curl_off_t up = get_number(transfer->curl, CURLINFO_SIZE_UPLOAD_T);
    curl_off_t down = get_number(transfer->curl, CURLINFO_SIZE_DOWNLOAD_T);
    if (get_number(transfer->curl, CURLINFO_PRETRANSFER_TIME_T) == 0)
        progress_report(progress, "connecting to %s", transfer->server->url);
    else if (up < total)
        progress_report(progress, "uploading %.1f/%.1f MiB", to_mib(up), to_mib(total));
    else if (down > 0 && !(transfer->events && transfer->events->has_begun))
        progress_report(progress, "receiving %.1f MiB", to_mib(down));
    else
        job_poll_report(poll, multi);
}

/* True if `transfer` has ended; `*code` is its result. Ends of other transfers go to `poll`. */
static bool has_ended(CURLM *multi, const struct transfer *transfer, struct job_poll *poll, CURLcode *code)
{
    int left = 0;
    const CURLMsg *message;
    if (transfer->events && transfer->events->job->has_ended) /* nothing can follow that matters */
        return true;
    while ((message = curl_multi_info_read(multi, &left))) {
        const CURL *curl = message->easy_handle;
        *code = message->data.result;
        if (curl == transfer->curl)
            return true;
        if (poll)
            job_poll_on_transfer_end(poll, multi, curl, *code);
    }
    return false;
}

int http_drive(struct transfer *transfer, CURLM *multi, struct job_poll *poll, struct pe_error *err)
{
    CURLcode code = CURLE_OK;
    CURLMcode driven = CURLM_OK;
    for (int running = 0; driven == CURLM_OK;
         driven = curl_multi_poll(multi, NULL, 0, HTTP_ATTEND_EVERY_MS, NULL)) {
        driven = curl_multi_perform(multi, &running);
        if (has_ended(multi, transfer, poll, &code))
            return transfer_finish(transfer, code, err);
        if (driven != CURLM_OK)
            break;
        if (http_server_attend(transfer->server, err) < 0 ||
            (transfer->events && event_stream_check(transfer->events, err) < 0))
            return -1;
        if (poll)
            report_progress(transfer, multi, poll);
    }
    return pe_fail(err, PE_ERR_INTERNAL, "cannot wait for %s: %s", transfer->server->url,
                   curl_multi_strerror(driven));
}

static int perform(struct transfer *transfer, struct job_poll *poll, struct pe_error *err)
{
    __attribute__((cleanup(multi_free))) CURLM *multi = curl_multi_init();
    if (!multi || curl_multi_add_handle(multi, transfer->curl) != CURLM_OK)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot start libcurl");
    int failed = http_drive(transfer, multi, poll, err);
    if (poll)
        job_poll_cancel(poll, multi);
    curl_multi_remove_handle(multi, transfer->curl);
    return failed;
}

/* ---- requests ---- */

int http_get(const struct http_server *server, const char *path, long timeout_ms, struct http_reply *reply,
             struct pe_error *err)
{
    autotransfer struct transfer transfer = {0};
    if (transfer_begin(&transfer, server, path, REPLY_BYTES_MAX, reply, err) < 0)
        return -1;
    curl_easy_setopt(transfer.curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    return perform(&transfer, NULL, err);
}

/* Give a part its own Content-Disposition, because that of libcurl is not exact for every file
 * name. */
static int set_disposition(curl_mimepart *part, const char *name, const char *filename, struct pe_error *err)
{
    pe_autobuf struct pe_buf header = {0};
    if (pe_form_append_disposition(&header, name, filename, filename ? strlen(filename) : 0, err) < 0 ||
        pe_buf_append(&header, "", 1, err) < 0)
        return -1;
    struct curl_slist *headers = curl_slist_append(NULL, (const char *)header.data);
    if (headers && curl_mime_headers(part, headers, 1) == CURLE_OK)
        return 0;
    curl_slist_free_all(headers);
    return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
}

static int add_part(struct transfer *transfer, const char *name, const char *filename, const char *type,
                    const struct input_file *file, const struct pe_buf *bytes, struct pe_error *err)
{
    curl_mimepart *part = curl_mime_addpart(transfer->mime);
    if (!part)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    if (set_disposition(part, name, filename, err) < 0)
        return -1;
    CURLcode code = file && file->path
                        ? curl_mime_filedata(part, file->path)
                        : curl_mime_data(part, bytes->size ? (const char *)bytes->data : "", bytes->size);
    if (code == CURLE_OK)
        code = curl_mime_type(part, type);
    return code == CURLE_OK
               ? 0
               : pe_fail(err, PE_ERR_INTERNAL, "cannot send part '%s': %s", name, curl_easy_strerror(code));
}

static int add_parts(struct transfer *transfer, const char *job, const struct input_files *files,
                     struct pe_error *err)
{
    const struct pe_buf job_text = {.data = (uint8_t *)job, .size = strlen(job)};
    transfer->mime = curl_mime_init(transfer->curl);
    if (!transfer->mime)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory");
    if (add_part(transfer, "job", NULL, "application/json", NULL, &job_text, err) < 0)
        return -1;
    for (size_t i = 0; i < files->count; i++) {
        const struct input_file *file = &files->items[i];
        if (add_part(transfer, "file", file->name, "application/octet-stream", file,
                     file->path ? NULL : input_file_bytes(files, file), err) < 0)
            return -1;
    }
    curl_easy_setopt(transfer->curl, CURLOPT_MIMEPOST, transfer->mime);
    return 0;
}

int http_post_job(const struct http_server *server, const char *id, const char *job,
                  const struct input_files *files, const char *accept, struct event_stream *events,
                  struct http_reply *reply, struct pe_error *err)
{
    autotransfer struct transfer transfer = {0};
    __attribute__((cleanup(job_poll_free))) struct job_poll poll = {0};
    struct trace_headers trace;
    const bool has_trace = trace_of_environment(&trace);
    size_t limit = strcmp(accept, "application/json") == 0 ? JSON_RESULT_BYTES_MAX : REPLY_BYTES_MAX;
    /* An empty Expect header keeps libcurl from waiting a second for "100 Continue". */
    if (transfer_begin(&transfer, server, "/v1/run", limit, reply, err) < 0 ||
        transfer_header(&transfer, "Accept", accept, err) < 0 ||
        transfer_header(&transfer, "Expect", "", err) < 0 ||
        transfer_header(&transfer, "X-Request-Id", id, err) < 0 ||
        (has_trace && transfer_header(&transfer, "traceparent", trace.parent, err) < 0) ||
        (trace.state[0] && transfer_header(&transfer, "tracestate", trace.state, err) < 0) ||
        (server->job_key && transfer_header(&transfer, "PE-Job-Key", server->job_key, err) < 0) ||
        (server->cache_salt && transfer_header(&transfer, "X-Cache-Salt", server->cache_salt, err) < 0) ||
        add_parts(&transfer, job, files, err) < 0)
        return -1;
    transfer.events = events;
    bool is_shown = server->progress && server->progress->is_on;
    job_poll_init(&poll, server, id);
    return perform(&transfer, is_shown ? &poll : NULL, err);
}
