/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a reply. transfer.c fills it in. */
#include "cli/http_reply.h"

void http_reply_free(struct http_reply *reply)
{
    pe_buf_free(&reply->body);
    *reply = (struct http_reply){0};
}
