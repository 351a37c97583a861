/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of agents that need no job (docs/agents.md): the beginning of a connection, lists of tools and
 * images, notifications, and what the Model Context Protocol forbids. Calls of the tool `run` are in
 * dialects.h. */
#ifndef PE_TESTS_MODEL_CHATS_H
#define PE_TESTS_MODEL_CHATS_H

#include <stddef.h>

/* An agent sends a message, and gets its answer. */
void client_chat(void);

/* How many messages there were, in all runs. */
size_t chats_count(void);

#endif
