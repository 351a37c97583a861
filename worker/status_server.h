/* SPDX-License-Identifier: Apache-2.0 */
/* The process that tells `pe-worker status` what the worker does. A program that connects to its socket gets
 * one JSON object, and the connection ends. It reads nothing from the connection. */
#ifndef PE_WORKER_STATUS_SERVER_H
#define PE_WORKER_STATUS_SERVER_H

#include "base/error.h"
#include "worker/config.h"

#define STATUS_SOCKET "status" /* in the run directory; only the worker's user and root may connect */
#define STATUS_BYTES_MAX (8u << 20)

/* Listen in the run directory. Returns a descriptor that the caller owns. PE_ERR_TOO_LARGE if the path is too
 * long for a socket, PE_ERR_INTERNAL otherwise. */
int status_listen(const struct worker_config *config, struct pe_error *err) PE_MUST_CHECK;

/* Answer until a stop is requested. Returns the exit status of the process. */
int status_server_main(const struct worker_config *config);

#endif
