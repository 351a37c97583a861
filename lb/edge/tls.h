/* SPDX-License-Identifier: Apache-2.0 */
/* TLS for listeners: a context made from certificate and key files, again whenever they change. */
#ifndef PE_LB_EDGE_TLS_H
#define PE_LB_EDGE_TLS_H

#include "base/error.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>

/* Make a context: TLS 1.2 and later, ALPN http/1.1 and, with `http2`, h2 before it. NULL with
 * PE_ERR_INVALID, which names the file that cannot be used: also a key that others may read or change
 * (base/private_file.h). The caller owns a reference
 * (SSL_CTX_free); each connection keeps one of its own. */
SSL_CTX *tls_context(const char *certificate, const char *key, bool http2, struct pe_error *err);

/* How many days the certificate of a context is still valid; negative if it is not any more. */
int tls_days_left(const SSL_CTX *context);

#endif
