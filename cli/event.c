/* SPDX-License-Identifier: Apache-2.0 */
/* From the text of an event to its kind and its bytes. */
#include "cli/event.h"

#include "codec/base64.h"
#include "codec/json_bounds.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A result has about 50 values, and an event of a later version may have more. */
#define VALUES_MAX 4096u

void event_free(struct event *event)
{
    json_decref(event->json);
    free(event->decoded);
    *event = (struct event){0};
}

static enum event_kind kind_of(const char *type)
{
    static const char *const types[EVENT_OTHER] = {
        [EVENT_QUEUED] = "queued",   [EVENT_STARTED] = "started",   [EVENT_STDOUT] = "stdout",
        [EVENT_STDERR] = "stderr",   [EVENT_COMBINED] = "combined", [EVENT_RESTARTED] = "restarted",
        [EVENT_TAKEN] = "taken",     [EVENT_STAGE] = "stage",       [EVENT_CASE] = "case",
        [EVENT_FILE] = "file",       [EVENT_FOLDER] = "folder",     [EVENT_RESULT] = "result",
        [EVENT_PROBLEM] = "problem",
    };
    for (int kind = 0; kind < EVENT_OTHER; kind++)
        if (!strcmp(type, types[kind]))
            return (enum event_kind)kind;
    return EVENT_OTHER;
}

static bool has_bytes(enum event_kind kind)
{
    return kind == EVENT_STDOUT || kind == EVENT_STDERR || kind == EVENT_COMBINED || kind == EVENT_FILE;
}

static int read_bytes(struct event *event, struct pe_error *err)
{
    const json_t *text = json_object_get(event->json, "text");
    const json_t *base64 = json_object_get(event->json, "base64");
    if (json_is_string(text)) {
        event->data = (const uint8_t *)json_string_value(text);
        event->size = json_string_length(text);
        return 0;
    }
    if (!json_is_string(base64))
        return pe_fail(err, PE_ERR_MALFORMED, "it has neither 'text' nor 'base64'");
    event->decoded =
        pe_base64_decode(json_string_value(base64), json_string_length(base64), &event->size, err);
    event->data = event->decoded;
    return event->decoded ? 0 : -1;
}

static int read_object(const void *text, size_t size, struct event *event, struct pe_error *err)
{
    if (pe_json_check_bounds(text, size, VALUES_MAX, err) < 0)
        return -1;
    event->json = json_loadb(text, size, JSON_ALLOW_NUL, NULL);
    const char *type = json_string_value(json_object_get(event->json, "type"));
    if (!type)
        return pe_fail(err, PE_ERR_MALFORMED, "it is not a JSON object with a 'type'");
    event->kind = kind_of(type);
    return has_bytes(event->kind) ? read_bytes(event, err) : 0;
}

int event_read(const void *text, size_t size, struct event *event, struct pe_error *err)
{
    *event = (struct event){0};
    if (read_object(text, size, event, err) == 0)
        return 0;
    err->kind = PE_ERR_MALFORMED;
    return pe_fail_context(err, "the server sent a broken event");
}

json_int_t event_number(const struct event *event, const char *name)
{
    const json_t *value = json_object_get(event->json, name);
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    return number < 0 ? -1 : number;
}

int event_forget_members(struct event *event, struct pe_error *err)
{
    if (event->data && !event->decoded) {
        /* jansson's own string has as many bytes as the JSON text, in which each can take six. */
        event->decoded = malloc(event->size + 1);
        if (!event->decoded)
            return pe_fail_errno(err, "out of memory for the %zu bytes of an event", event->size);
        memcpy(event->decoded, event->data, event->size);
        event->data = event->decoded;
    }
    json_decref(event->json);
    event->json = NULL;
    return 0;
}
