/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of libcurl for downloads. What is downloaded is the business of image/sync.c. */
#include "image/download.h"

#include "base/io.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STALL_SECONDS 30u
#define STALL_BYTES_PER_S 1024L

/* What on_bytes needs. */
struct transfer {
    struct download *download;
    struct pe_error *err; /* where on_bytes reports its errors */
    bool refused;
};

static size_t on_bytes(char *bytes, size_t one, size_t size, void *data)
{
    struct transfer *transfer = data;
    struct download *download = transfer->download;
    const size_t total = one * size;
    if (total > download->bytes_max - download->bytes) {
        pe_fail(transfer->err, PE_ERR_TOO_LARGE, "more than the expected %llu bytes were received",
                (unsigned long long)download->bytes_max);
        transfer->refused = true;
        return 0;
    }
    const int failed = download->memory
                           ? pe_buf_append(download->memory, bytes, total, transfer->err)
                           : pe_write_all(download->fd, bytes, total, "the downloaded rootfs", transfer->err);
    transfer->refused = failed < 0;
    download->bytes += failed < 0 ? 0 : total;
    progress_add(download->progress, total);
    return failed < 0 ? 0 : total;
}

static void cleanup_curl(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

/* After so many seconds of nearly nothing a connection is considered dead. */
static unsigned stall_seconds(const struct download *download)
{
    return download->route->stall_s ? download->route->stall_s : STALL_SECONDS;
}

static void set_options(CURL *curl, const char *url, struct transfer *transfer)
{
    const struct download *download = transfer->download;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES_PER_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)stall_seconds(download));
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)stall_seconds(download));
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, download->seconds_max);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)download->bytes);
    if (download->route->ca)
        curl_easy_setopt(curl, CURLOPT_CAINFO, download->route->ca);
    if (download->route->proxy)
        curl_easy_setopt(curl, CURLOPT_PROXY, download->route->proxy);
}

/* Faults of a network, and of servers that are overloaded or restart (RFC 9110 section 15.6). */
static bool may_pass(CURL *curl, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    switch (code) {
    case CURLE_HTTP_RETURNED_ERROR:
        return status >= 502;
    case CURLE_COULDNT_CONNECT:
    case CURLE_GOT_NOTHING:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_COULDNT_RESOLVE_HOST:
        return true;
    default:
        return false;
    }
}

static int begin_again(struct download *download, struct pe_error *err)
{
    if (ftruncate(download->fd, 0) < 0 || lseek(download->fd, 0, SEEK_SET) < 0)
        return pe_fail_errno(err, "cannot empty the file of an image that is fetched");
    download->bytes = 0;
    progress_begin(download->progress, "fetching", download->bytes_max);
    return 0;
}

int download_url(const char *url, struct download *download, struct pe_error *err)
{
    char why[CURL_ERROR_SIZE] = "";
    struct transfer transfer = {.download = download, .err = err};
    __attribute__((cleanup(cleanup_curl))) CURL *curl = curl_easy_init();
    download->may_continue = false;
    if (!curl)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot start libcurl");
    set_options(curl, url, &transfer);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_RANGE_ERROR && download->bytes) { /* this server knows no ranges */
        if (begin_again(download, err) < 0)
            return -1;
        curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)0);
        code = curl_easy_perform(curl);
    }
    if (code == CURLE_OK)
        return 0;
    if (transfer.refused)
        return pe_fail_context(err, "cannot fetch %s", url);
    download->may_continue = may_pass(curl, code);
    if (code == CURLE_OPERATION_TIMEDOUT && strstr(why, "too slow"))
        return pe_fail(
            err, PE_ERR_LOST,
            "cannot fetch %s: the store has sent less than 1 KiB/s for %u s; try again when it, or the "
            "network, is faster, or wait longer with --stall",
            url, stall_seconds(download));
    return pe_fail(err, PE_ERR_LOST, "cannot fetch %s: %s", url, *why ? why : curl_easy_strerror(code));
}
