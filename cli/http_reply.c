/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a reply, and its media type. transfer.c fills a reply in. */
#include "cli/http_reply.h"

#include "codec/json_bounds.h"

#include <string.h>
#include <strings.h>

bool http_type_is(const char *content_type, const char *type)
{
    size_t size = strlen(type);
    return !strncasecmp(content_type, type, size) &&
           (content_type[size] == '\0' || strchr("; \t", content_type[size]));
}

json_t *http_read_json(const void *text, size_t size, size_t flags)
{
    struct pe_error ignored;
    if (!size || pe_json_check_bounds(text, size, HTTP_JSON_VALUES_MAX, &ignored) < 0)
        return NULL;
    return json_loadb(text, size, flags, NULL);
}

void http_reply_free(struct http_reply *reply)
{
    pe_buf_free(&reply->body);
    *reply = (struct http_reply){0};
}
