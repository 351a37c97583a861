/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of servers. The requests to them are in http.c. */
#include "cli/http_server.h"

#include "cli/interrupt.h"
#include "proto/limits.h"

#include <string.h>

int http_server_attend(const struct http_server *server, struct pe_error *err)
{
    if (interrupt_check(err) < 0)
        return -1;
    return server->check ? server->check(server->context, err) : 0;
}

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

bool http_server_is_unencrypted(const char *url)
{
    static const char *const own[] = {"http://localhost", "http://127.", "http://[::1]"};
    bool is_unencrypted = !strncmp(url, "http://", 7);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        is_unencrypted &= strncmp(url, own[i], strlen(own[i])) != 0;
    return is_unencrypted;
}

bool http_is_printable(const char *text)
{
    for (const char *at = text; *at; at++)
        if (*at <= ' ' || *at > '~')
            return false;
    return *text;
}

int http_check_cache_salt(const char *salt, struct pe_error *err)
{
    if (http_is_printable(salt) && strlen(salt) <= PE_CACHE_SALT_MAX)
        return 0;
    return pe_fail(err, PE_ERR_INVALID, "a cache salt must be 1 to %u printable characters without spaces",
                   PE_CACHE_SALT_MAX);
}
