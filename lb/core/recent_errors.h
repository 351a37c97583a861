/* SPDX-License-Identifier: Apache-2.0 */
/* The last warnings and errors of the log, for an operator who looks at the service in a browser. */
#ifndef PE_LB_CORE_RECENT_ERRORS_H
#define PE_LB_CORE_RECENT_ERRORS_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "codec/json_writer.h"

#include <stddef.h>
#include <stdint.h>

enum {
    RECENT_ERRORS_MAX = 64,
    RECENT_ERROR_SIZE = 400, /* bytes of a message, with its NUL; the rest is cut */
};

struct recent_error {
    int64_t time_s; /* since 1970 */
    enum pe_log_level level;
    char request[33]; /* empty: it is about no request */
    char message[RECENT_ERROR_SIZE];
};

struct recent_errors {
    struct recent_error items[RECENT_ERRORS_MAX];
    size_t count; /* of all that there were; the last RECENT_ERRORS_MAX of them are kept */
};

/* Remember each line of the log of this process with the level PE_LOG_WARN or PE_LOG_ERROR from now on.
 * `errors` must be zero-initialised and stay where it is. */
void recent_errors_watch(struct recent_errors *errors);

/* Append an array with an object for each, the newest one first: `time`, `level`, `request` (null if there
 * is none), `message`. */
void recent_errors_append(const struct recent_errors *errors, struct pe_json_writer *json, const char *name);

#endif
