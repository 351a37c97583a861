/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of servers. The requests to them are in http.c. */
#include "cli/http_server.h"

#include <string.h>

bool http_is_url(const char *text)
{
    return strstr(text, "://") || !strncmp(text, "unix:", 5);
}

int http_server_check(const char *url, struct pe_error *err)
{
    if (!strncmp(url, "unix:/", 6) || !strncmp(url, "http://", 7) || !strncmp(url, "https://", 8))
        return 0;
    return pe_fail(err, PE_ERR_INVALID,
                   "'%s' is not the URL of a server: use http://host:port, https://host or unix:/path", url);
}
