/* SPDX-License-Identifier: Apache-2.0 */
/* What a server replied to a request, before anybody looks at its meaning (cli/response.h does). */
#ifndef PE_CLI_HTTP_REPLY_H
#define PE_CLI_HTTP_REPLY_H

#include "base/buffer.h"

#include <stdbool.h>

struct http_reply {
    long status;            /* HTTP status code */
    char content_type[256]; /* "" when the server sent none */
    struct pe_buf body;     /* owned */
    long retry_after_s;     /* of Retry-After, in seconds; 0 when the server sent none */
};

/* True if a Content-Type names the media type `type`, whatever its parameters and its case are. */
bool http_type_is(const char *content_type, const char *type);

/* Free what a reply owns. */
void http_reply_free(struct http_reply *reply);
#define http_autoreply __attribute__((cleanup(http_reply_free)))

#endif
