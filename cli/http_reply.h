/* SPDX-License-Identifier: Apache-2.0 */
/* What a server replied to a request, before anybody looks at its meaning (cli/response.h does). */
#ifndef PE_CLI_HTTP_REPLY_H
#define PE_CLI_HTTP_REPLY_H

#include "base/buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct http_reply {
    long status;            /* HTTP status code */
    char content_type[256]; /* "" when the server sent none */
    struct pe_buf body;     /* owned */
    long retry_after_s;     /* of Retry-After, in seconds; 0 when the server sent none */
};

/* True if a Content-Type names the media type `type`, whatever its parameters and its case are. */
bool http_type_is(const char *content_type, const char *type);

/* Values of JSON in a reply. A result with 4096 files and folders and 1000 cases has fewer than 100,000, and
 * the images of a worker have at most 131,072. */
#define HTTP_JSON_VALUES_MAX (1024u * 1024)

/* Read JSON of a server, with `flags` of jansson. The caller owns the value. Returns NULL if it is no JSON,
 * has more than HTTP_JSON_VALUES_MAX values, or is nested too deep: a server is not trusted, and as a tree a
 * text needs many times its size. */
json_t *http_read_json(const void *text, size_t size, size_t flags);

/* Free what a reply owns. */
void http_reply_free(struct http_reply *reply);
#define http_autoreply __attribute__((cleanup(http_reply_free)))

#endif
