/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of OpenSSL for a TLS listener. */
#include "lb/edge/tls.h"

#include "base/private_file.h"

#include <openssl/err.h>

static const h2o_iovec_t only_http1[] = {{(char *)"http/1.1", 8}, {NULL, 0}};

static int fail(struct pe_error *err, const char *what)
{
    char reason[160];
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    ERR_clear_error();
    return pe_fail(err, PE_ERR_INVALID, "TLS: %s: %s", what, reason);
}

static int load(SSL_CTX *context, const char *certificate, const char *key, struct pe_error *err)
{
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        return fail(err, certificate);
    if (pe_private_file_check_path(key, err) < 0)
        return pe_fail_context(err, "TLS");
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return fail(err, key);
    return 0;
}

SSL_CTX *tls_context(const char *certificate, const char *key, bool http2, struct pe_error *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context) {
        fail(err, "a context");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context,
                        SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    if (load(context, certificate, key, err) < 0) {
        SSL_CTX_free(context);
        return NULL;
    }
    h2o_ssl_register_alpn_protocols(context, http2 ? h2o_alpn_protocols : only_http1);
    return context;
}

int tls_days_left(const SSL_CTX *context)
{
    const X509 *certificate = SSL_CTX_get0_certificate(context);
    int days = 0, seconds = 0;
    if (!certificate || !ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)))
        return -1;
    return days > 0 || seconds >= 0 ? days : -1;
}
