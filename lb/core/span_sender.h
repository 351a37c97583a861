/* SPDX-License-Identifier: Apache-2.0 */
/* The helper that sends spans to a collector (lb/core/span_export.h): OTLP over HTTP, in JSON. */
#ifndef PE_LB_CORE_SPAN_SENDER_H
#define PE_LB_CORE_SPAN_SENDER_H

/* pe-lb executes itself with this as the first argument to become the helper. The other arguments are the
 * file descriptor of the socket, and the collector's URL without "/v1/traces". */
#define SPAN_SENDER_ARGUMENT "--span-sender"

/* The helper's main function. Returns the exit status. */
int span_sender_main(int argc, char **argv);

#endif
