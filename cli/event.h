/* SPDX-License-Identifier: Apache-2.0 */
/* One event of a job that is under way: a JSON object of a line (application/x-ndjson) or of a WebSocket
 * message (docs/api.md). live_job.h says what follows from it. */
#ifndef PE_CLI_EVENT_H
#define PE_CLI_EVENT_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of an event. The largest one is a file: each of its bytes becomes at most six of JSON. */
#define EVENT_BYTES_MAX (101u * 1024 * 1024)

enum event_kind {
    EVENT_QUEUED,
    EVENT_STARTED,
    EVENT_STDOUT,
    EVENT_STDERR,
    EVENT_COMBINED,
    EVENT_RESTARTED,
    EVENT_TAKEN,
    EVENT_STAGE,
    EVENT_CASE,
    EVENT_FILE,
    EVENT_FOLDER,
    EVENT_RESULT,
    EVENT_PROBLEM,
    EVENT_OTHER, /* one that a later version added */
};

struct event {
    enum event_kind kind;
    json_t *json;        /* the whole object; its reference is owned. NULL after event_forget_members */
    const uint8_t *data; /* the bytes of `text` or `base64`; NULL for kinds that have none */
    size_t size;
    uint8_t *decoded; /* owned: the memory of `data` if it was base64, or after event_forget_members */
};

/* Read an event from a server, which is not trusted. PE_ERR_MALFORMED if the text is not the JSON of an
 * event. The caller frees `event`, also after a failure. */
int event_read(const void *text, size_t size, struct event *event, struct pe_error *err) PE_MUST_CHECK;

/* The member `name` as a number that is not negative; -1 if it is anything else. */
json_int_t event_number(const struct event *event, const char *name);

/* Free the object, and keep only `data`, in memory of its own. For events that are kept: a server can add any
 * members to one. PE_ERR_INTERNAL without memory; the event is unchanged then. */
int event_forget_members(struct event *event, struct pe_error *err) PE_MUST_CHECK;

/* Free what `event` owns. */
void event_free(struct event *event);
#define autoevent __attribute__((cleanup(event_free)))

#endif
