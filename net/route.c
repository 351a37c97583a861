/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of libcurl that all connections share, and the causes of failures in the words of users. */
#include "net/route.h"

#include "base/io.h"
#include "base/time_text.h"

#include <fcntl.h>
#include <openssl/x509_vfy.h>
#include <string.h>
#include <time.h>

#define CA_BYTES_MAX (4u << 20)

int pe_route_read_ca(struct pe_route *route, const char *file, struct pe_error *err)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    if (pe_read_file(AT_FDCWD, file, CA_BYTES_MAX, &route->ca, err) < 0)
        return pe_fail_context(err, "--ca");
    if (memmem(route->ca.data, route->ca.size, begin, strlen(begin)))
        return 0;
    return pe_fail(err, PE_ERR_INVALID, "--ca %s has no certificate in PEM", file);
}

void pe_route_apply(const struct pe_route *route, CURL *curl, char *why)
{
    if (route->ca.size) {
        struct curl_blob blob = {.data = route->ca.data, .len = route->ca.size, .flags = CURL_BLOB_NOCOPY};
        curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
    }
    if (route->proxy)
        curl_easy_setopt(curl, CURLOPT_PROXY, route->proxy);
    curl_easy_setopt(curl, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    why[0] = '\0';
}

static int fail_by_clock(const char *server, const char *when, struct pe_error *err)
{
    char now[PE_TIME_TEXT_SIZE];
    return pe_fail(
        err, PE_ERR_LOST,
        "the certificate of %s is not valid %s by the clock of this host, which says %s; if that is "
        "wrong, set the clock (`timedatectl set-ntp true`), otherwise the server needs another "
        "certificate",
        server, when, pe_time_text(time(NULL), now));
}

/* The certificate was refused. `result` is what OpenSSL says about its chain. */
static int fail_by_certificate(long result, const char *why, const char *server, struct pe_error *err)
{
    /* libcurl compares the name itself, and says so only in its text. */
    if (strstr(why, "subject name") || strstr(why, "common name"))
        return pe_fail(
            err, PE_ERR_LOST,
            "the certificate of %s is for another name, so this may be another server (%s); use the "
            "name that the certificate has, or let the server have one for this name",
            server, why);
    switch (result) {
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return fail_by_clock(server, "yet", err);
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return fail_by_clock(server, "any more", err);
    default:
        return pe_fail(
            err, PE_ERR_LOST,
            "the certificate of %s is not signed by anybody whom this host trusts (%s); if it is the "
            "right server, get the certificate of its authority from the operator, and name it with "
            "--ca FILE",
            server, why);
    }
}

int pe_route_fail(CURL *curl, CURLcode code, const char *why, const char *server, struct pe_error *err)
{
    long result = 0, proxy_status = 0;
    if (!*why)
        why = curl_easy_strerror(code);
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &result);
        return fail_by_certificate(result, why, server, err);
    }
    curl_easy_getinfo(curl, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    if (proxy_status == 407)
        return pe_fail(
            err, PE_ERR_LOST,
            "the proxy on the way to %s demands a name and a password: put them into its URL, as in "
            "http://NAME:PASSWORD@proxy:3128",
            server);
    if (proxy_status && proxy_status / 100 != 2)
        return pe_fail(err, PE_ERR_LOST,
                       "the proxy on the way to %s answers with %ld: ask its operator to allow "
                       "CONNECT to this server",
                       server, proxy_status);
    return pe_fail(err, PE_ERR_LOST, "cannot connect to %s: %s", server, why);
}
