/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of lines. It only copies: it must not log, because it is called for each line. */
#include "lb/core/recent_errors.h"

#include <stdio.h>
#include <time.h>

static void remember(void *data, enum pe_log_level level, const char *request, const char *message)
{
    struct recent_errors *errors = data;
    struct recent_error *error = &errors->items[errors->count++ % RECENT_ERRORS_MAX];
    *error = (struct recent_error){.time_s = (int64_t)time(NULL), .level = level};
    snprintf(error->request, sizeof error->request, "%s", request ? request : "");
    snprintf(error->message, sizeof error->message, "%s", message);
}

void recent_errors_watch(struct recent_errors *errors)
{
    pe_log_watch(remember, errors);
}

static void append_time(struct pe_json_writer *json, int64_t time_s)
{
    char text[32] = "";
    struct tm utc;
    const time_t seconds = (time_t)time_s;
    if (gmtime_r(&seconds, &utc))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    pe_json_append_text(json, "time", text);
}

void recent_errors_append(const struct recent_errors *errors, struct pe_json_writer *json, const char *name)
{
    size_t kept = errors->count < RECENT_ERRORS_MAX ? errors->count : RECENT_ERRORS_MAX;
    pe_json_open(json, name, '[');
    for (size_t i = 1; i <= kept; i++) {
        const struct recent_error *error = &errors->items[(errors->count - i) % RECENT_ERRORS_MAX];
        pe_json_open(json, NULL, '{');
        append_time(json, error->time_s);
        pe_json_append_text(json, "level", error->level == PE_LOG_ERROR ? "error" : "warn");
        if (error->request[0])
            pe_json_append_text(json, "request", error->request);
        else
            pe_json_append_null(json, "request");
        pe_json_append_text(json, "message", error->message);
        pe_json_close(json, '}');
    }
    pe_json_close(json, ']');
}
