/* SPDX-License-Identifier: Apache-2.0 */
/* Responses that pe-run reads. The first line of the input is the status, the second one the media type,
 * and the rest is the body. What is accepted lies in the body, and what is refused is told in printable
 * characters. */
#include "base/cleanup.h"
#include "cli/response.h"
#include "tests/fuzz/fuzz.h"

static void check_bytes(const struct http_reply *reply, const struct response_bytes *bytes)
{
    const uint8_t *begin = reply->body.data;
    HOLDS(!bytes->data || (bytes->data >= begin && bytes->data + bytes->size <= begin + reply->body.size));
}

static void check_files(const struct http_reply *reply, const struct response_files *files)
{
    HOLDS(files->count <= PE_OUTPUT_FILES_MAX);
    for (size_t i = 0; i < files->count; i++) {
        struct pe_path again;
        struct pe_error err;
        const struct pe_path *path = &files->items[i].path;
        HOLDS(pe_path_parse(path->text, path->length, 0, &again, &err) == 0);
        check_bytes(reply, &files->items[i].bytes);
    }
}

static void check_error(const struct pe_error *err)
{
    HOLDS(err->kind && err->message[0]);
    fuzz_check_printable(err->message);
}

static void check_form(const struct http_reply *reply)
{
    struct response response;
    struct pe_error err = {0};
    if (response_read(reply, &response, &err) == 0) {
        check_bytes(reply, &response.standard_output);
        check_bytes(reply, &response.standard_error);
        check_bytes(reply, &response.combined);
        check_files(reply, &response.files);
        check_files(reply, &response.folders);
    } else {
        check_error(&err);
    }
    response_free(&response);
}

static void check_json(const struct http_reply *reply)
{
    struct response response;
    struct pe_error err = {0};
    if (response_read_json(reply, &response, &err) < 0)
        check_error(&err);
    response_free(&response);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    pe_autofree char *status = fuzz_line(&rest), *type = fuzz_line(&rest);
    http_autoreply struct http_reply reply = {.status = strtol(status, NULL, 10), .retry_after_s = 1};
    struct pe_error err;
    snprintf(reply.content_type, sizeof reply.content_type, "%s", type);
    HOLDS(pe_buf_append(&reply.body, rest.at, rest.left, &err) == 0);
    check_form(&reply);
    check_json(&reply);
    return 0;
}
