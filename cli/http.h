/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP requests that pe-run makes. libcurl performs them. */
#ifndef PE_CLI_HTTP_H
#define PE_CLI_HTTP_H

#include "base/error.h"
#include "cli/event_stream.h"
#include "cli/files.h"
#include "cli/http_reply.h"
#include "cli/http_server.h"
#include "cli/job_poll.h"
#include "cli/transfer.h"

/* Send GET `path` and wait for the reply for at most `timeout_ms` milliseconds. Every reply is a
 * success, with any status. PE_ERR_LOST when the server does not reply, PE_ERR_CANCELED after a
 * signal, PE_ERR_MALFORMED when the reply is larger than any that the service sends, or the error
 * of `server->check`. The caller frees `reply` in every case. */
int http_get(const struct http_server *server, const char *path, long timeout_ms, struct http_reply *reply,
             struct pe_error *err) PE_MUST_CHECK;

/* Send POST /v1/run with the request id `id` (32 random hex digits): first the part `job`, then the
 * files, which are read from disk while they are sent. `accept` is the wanted media type of the
 * result. If the reply is a stream of events, they go to `events`, which may be NULL, and the reply has no
 * body. Errors as above and of event_stream_feed; the caller frees `reply` in every case. */
int http_post_job(const struct http_server *server, const char *id, const char *job,
                  const struct input_files *files, const char *accept, struct event_stream *events,
                  struct http_reply *reply, struct pe_error *err) PE_MUST_CHECK;

/* Perform a transfer that is in `multi`, and leave it there. `poll` asks for the state of the transfer's job,
 * whose progress is shown; it may be NULL. Errors as above. For http_get and its like, and for requests of
 * another form. */
int http_drive(struct transfer *transfer, CURLM *multi, struct job_poll *poll,
               struct pe_error *err) PE_MUST_CHECK;

#endif
