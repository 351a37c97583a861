/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of Piston's WebSocket (docs/piston.md#connect): sessions with other messages, which have codes for
 * their ends. */
#ifndef PE_TESTS_MODEL_CONNECTS_H
#define PE_TESTS_MODEL_CONNECTS_H

#include "tests/model/http_edge.h"

/* A client does something with its connection. */
void piston_session_act(struct request *request);

/* The balancer sends it a message. */
void piston_session_read(struct request *request, const void *bytes, size_t size);

/* The balancer closes its connection with this code; 0: without any. */
void piston_session_check_close(const struct request *request, uint16_t code);

/* At rest: a client that reads was told what its program has reported. */
void piston_session_check_sent(const struct request *request, const struct run *run);

/* How many of them there were, in all runs. */
size_t connects_count(void);

#endif
