/* SPDX-License-Identifier: Apache-2.0 */
/* Clients: they send requests, read their responses, and hang up. */
#ifndef PE_TESTS_MODEL_CLIENTS_H
#define PE_TESTS_MODEL_CLIENTS_H

#include "tests/model/http_edge.h"

/* Begin with clients that have sent nothing. */
void clients_reset(void);

/* A client sends a request. */
void client_send(void);

/* A client takes a piece of a response. */
void client_read(void);

/* A client of an interactive job, if there is one, says something. */
void client_type(void);

/* A client hangs up. */
void client_hang_up(void);

/* All clients read, or hang up. */
void clients_read_all(void);
void clients_hang_up_all(void);

/* Members of a job that bound its output, or nothing. */
const char *client_limits_text(struct work work);

/* The file that is sent with a payload. */
size_t client_file_size(unsigned payload);
uint8_t client_file_byte(unsigned payload, size_t at);

#endif
