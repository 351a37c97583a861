/* SPDX-License-Identifier: Apache-2.0 */
/* Replies with the files of the playground, and with the headers that isolate it: scripts and
 * styles are loaded from this server only, the output of a program cannot become either, and
 * only /embed may be shown in a frame of another page. */
#include "lb/api/playground.h"

#include "lb/api/info.h"
#include "lb/edge/http_reply.h"
#include "lb/edge/problems.h"

#include <stdio.h>
#include <string.h>

/* Content Security Policy Level 3. Files that a job wrote are shown from blob: URLs. The buffers
 * and textures of a 3D model are fetched from blob: or data: URLs. */
#define POLICY                                                                              \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; " \
    "connect-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors "

static const char *const coding_names[CODINGS] = {"", "gzip", "br"};

/* Whether a weight (RFC 9110 section 12.4.2) is 0. Blanks may follow it. */
static bool is_zero(const char *weight, size_t size)
{
    size_t zeros = 0;
    while (size && (weight[size - 1] == ' ' || weight[size - 1] == '\t'))
        size--;
    while (zeros < size && (weight[zeros] == '0' || weight[zeros] == '.'))
        zeros++;
    return zeros == size;
}

/* Whether a list of codings (RFC 9110 section 12.5.3) contains this one, with a weight above 0. */
static bool accepts(h2o_iovec_t field, const char *coding)
{
    const char *at = field.base, *end = field.base + field.len;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *next = comma ? comma : end;
        while (at < next && (*at == ' ' || *at == '\t'))
            at++;
        size_t size = (size_t)(next - at), name = strlen(coding);
        if (size >= name && h2o_lcstris(at, name, coding, name) &&
            (size == name || at[name] == ';' || at[name] == ' ')) {
            const char *weight = memmem(at, size, "q=", 2);
            return !weight || !is_zero(weight + 2, (size_t)(next - weight) - 2);
        }
        at = comma ? next + 1 : end;
    }
    return false;
}

static enum content_coding choose_coding(const h2o_req_t *req, const struct static_file *file)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT("accept-encoding"), -1);
    for (int coding = CODINGS - 1; at >= 0 && coding > CODING_IDENTITY; coding--)
        if (file->content[coding].size && accepts(req->headers.entries[at].value, coding_names[coding]))
            return (enum content_coding)coding;
    return CODING_IDENTITY;
}

/* Whether If-None-Match (RFC 9110 section 13.1.2) lists this tag, weak or strong. */
static bool is_known(const h2o_req_t *req, const char *etag)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT("if-none-match"), -1);
    if (at < 0)
        return false;
    h2o_iovec_t field = req->headers.entries[at].value;
    return h2o_memis(field.base, field.len, "*", 1) || memmem(field.base, field.len, etag, strlen(etag));
}

static void add_security_headers(h2o_req_t *req, const char *frame_ancestors)
{
    char policy[sizeof POLICY + 16];
    snprintf(policy, sizeof policy, POLICY "%s", frame_ancestors);
    http_reply_header(req, "content-security-policy", policy);
    http_reply_header(req, "referrer-policy", "no-referrer");
    if (strcmp(frame_ancestors, "'none'") == 0)
        http_reply_header(req, "cross-origin-opener-policy", "same-origin");
}

/* The state of one response: what is left of a file, and the files that it belongs to. */
struct sending {
    struct static_files *files;
    struct pe_cursor left;
};

static int append_file(void *state, struct pe_buf *out, size_t room, bool *ended, struct pe_error *err)
{
    struct pe_cursor *left = &((struct sending *)state)->left;
    size_t size = left->left < room ? left->left : room;
    *ended = size == left->left;
    return pe_buf_append(out, pe_cursor_read(left, size), size, err);
}

static void release_files(void *state)
{
    static_files_unref(((struct sending *)state)->files);
}

static void send_file(struct static_files *files, const struct static_file *file,
                      struct body_streams *streams, h2o_req_t *req)
{
    static const struct body_source source = {.append = append_file, .release = release_files};
    enum content_coding coding = choose_coding(req, file);
    const struct pe_buf *content = &file->content[coding];
    char etag[sizeof file->etag + 8];
    snprintf(etag, sizeof etag, "\"%s%s%s\"", file->etag, coding ? "-" : "", coding_names[coding]);
    http_reply_header(req, "etag", etag);
    http_reply_header(req, "vary", "Accept, Accept-Encoding");
    http_reply_header(req, "x-content-type-options", "nosniff");
    if (is_known(req, etag)) {
        req->res.status = 304;
        req->res.reason = "Not Modified";
        h2o_send_inline(req, "", 0);
        return;
    }
    req->res.content_length = content->size;
    if (coding)
        http_reply_header(req, "content-encoding", coding_names[coding]);
    const struct sending sending = {.files = static_files_ref(files),
                                    .left = {.at = content->data, .left = content->size}};
    body_stream_send(streams, req, file->type, &source, &sending, sizeof sending);
}

/* Browsers ask for HTML; curl does not, and gets text. */
static bool accepts_html(const h2o_req_t *req)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT("accept"), -1);
    return at >= 0 && memmem(req->headers.entries[at].value.base, req->headers.entries[at].value.len,
                             H2O_STRLIT("text/html"));
}

void playground_handle(struct static_files *files, struct body_streams *streams, h2o_req_t *req)
{
    h2o_iovec_t path = req->path_normalized;
    bool embed = h2o_memis(path.base, path.len, H2O_STRLIT("/embed"));
    bool admin = h2o_memis(path.base, path.len, H2O_STRLIT("/admin"));
    bool page = embed || admin || path.len == 1;
    const struct static_file *file =
        static_files_find(files, page && !admin ? "/" : path.base, page && !admin ? 1 : path.len);
    if (page && !embed && !admin && (!file || !accepts_html(req))) {
        http_reply_header(req, "vary", "Accept");
        api_about(req);
        return;
    }
    if (!file) {
        struct pe_problem problem = problem_make(
            "not-found", embed   ? "there is no playground on this server: run 'make playground' to make it"
                         : admin ? "this page needs --admin-token-file and the files of 'make playground'"
                                 : "the playground has no such file");
        http_reply_problem(req, &problem);
        return;
    }
    http_reply_header(req, "cache-control", page ? "no-cache" : "public, max-age=31536000, immutable");
    if (page)
        add_security_headers(req, embed ? "*" : "'none'");
    send_file(files, file, streams, req);
}
