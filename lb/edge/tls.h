/* TLS for listeners: a context from certificate and key files, made anew whenever they change. */
#ifndef PE_LB_EDGE_TLS_H
#define PE_LB_EDGE_TLS_H

#include "base/error.h"
#include "lb/edge/h2o.h"

#include <stdbool.h>

/* A context: TLS 1.2 and up, ALPN http/1.1 and, with `http2`, h2 before it. NULL: `err` says which file is
 * wrong. Connections keep the context they began with; SSL_CTX_free ends the caller's reference. */
SSL_CTX *tls_context(const char *certificate, const char *key, bool http2, struct pe_error *err);

#endif
