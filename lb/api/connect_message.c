/* SPDX-License-Identifier: Apache-2.0 */
/* Reading messages of clients. What they do is connect.c's part. */
#include "lb/api/connect_message.h"

#include "base/cleanup.h"
#include "codec/base64.h"
#include "codec/json_reader.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {"run", "stdin", "eof", "resize", "signal"};

enum { KIND_COUNT = sizeof kind_names / sizeof *kind_names };

/* Members that a message of each kind may have, and those that it must have. */
enum member {
    HAS_JOB = 1,
    HAS_TTY = 2,
    HAS_TEXT = 4,
    HAS_BASE64 = 8,
    HAS_ROWS = 16,
    HAS_COLS = 32,
    HAS_SIGNAL = 64
};

static const struct {
    unsigned allowed, required;
    const char *form;
} forms[KIND_COUNT] = {
    [CONNECT_RUN] = {HAS_JOB | HAS_TTY, HAS_JOB, "'job', and optionally 'tty'"},
    [CONNECT_STDIN] = {HAS_TEXT | HAS_BASE64, 0, "either 'text' or 'base64'"},
    [CONNECT_EOF] = {0, 0, "no further members"},
    [CONNECT_RESIZE] = {HAS_ROWS | HAS_COLS, HAS_ROWS | HAS_COLS, "'rows' and 'cols'"},
    [CONNECT_SIGNAL] = {HAS_SIGNAL, HAS_SIGNAL, "'signal'"},
};

/* What is being read: a message whose kind may come behind its other members. */
struct reading {
    struct pe_json_reader json;
    struct connect_message *message;
    char kind[16], signal[16], unknown[32];
    char wrong[32]; /* the member whose value is not as it must be; "": none */
    char *text;     /* of `text` or `base64`; owned */
    size_t length;
    unsigned has;
};

static void parse_content(struct reading *reading, enum member member)
{
    if (reading->text)
        pe_json_fault(&reading->json, "there is another content already");
    else
        reading->text = pe_json_parse_new_text(&reading->json, &reading->length);
    reading->has |= member;
}

static void parse_member(struct reading *reading, const char *key)
{
    struct pe_json_reader *json = &reading->json;
    struct connect_message *message = reading->message;
    if (!strcmp(key, "type")) {
        pe_json_parse_text_cut(json, reading->kind, sizeof reading->kind);
    } else if (!strcmp(key, "job")) {
        message->job = pe_json_parse_raw(json);
        reading->has |= HAS_JOB;
    } else if (!strcmp(key, "tty")) {
        pe_live_terminal_parse(json, &message->input);
        reading->has |= HAS_TTY;
    } else if (!strcmp(key, "text")) {
        parse_content(reading, HAS_TEXT);
    } else if (!strcmp(key, "base64")) {
        parse_content(reading, HAS_BASE64);
    } else if (!strcmp(key, "rows")) {
        message->window.rows = pe_window_side_parse(json);
        reading->has |= HAS_ROWS;
    } else if (!strcmp(key, "cols")) {
        message->window.cols = pe_window_side_parse(json);
        reading->has |= HAS_COLS;
    } else if (!strcmp(key, "signal")) {
        pe_json_parse_text_cut(json, reading->signal, sizeof reading->signal);
        reading->has |= HAS_SIGNAL;
    } else {
        memcpy(reading->unknown, *key ? key : "?", strlen(*key ? key : "?") + 1);
        pe_json_skip(json);
    }
}

static int refuse_value(const struct reading *reading, struct pe_error *err)
{
    if (!reading->wrong[0])
        return pe_fail(err, PE_ERR_MALFORMED, "a message is not a JSON object: %s", reading->json.fault);
    return pe_fail(err, PE_ERR_MALFORMED, "member '%s' of a message: %s", reading->wrong,
                   reading->json.fault);
}

static int find_kind(struct reading *reading, struct pe_error *err)
{
    for (int i = 0; i < KIND_COUNT; i++)
        if (!strcmp(kind_names[i], reading->kind)) {
            reading->message->kind = (enum connect_kind)i;
            return 0;
        }
    return pe_fail(err, PE_ERR_INVALID,
                   "the type of a message is run, stdin, eof, resize or signal, not '%s'", reading->kind);
}

static int check_members(const struct reading *reading, struct pe_error *err)
{
    enum connect_kind kind = reading->message->kind;
    bool is_wrong = (reading->has & ~forms[kind].allowed) || (forms[kind].required & ~reading->has);
    if (reading->unknown[0])
        return pe_fail(err, PE_ERR_INVALID, "a message '%s' has an unknown member '%s'", kind_names[kind],
                       reading->unknown);
    if (is_wrong || (kind == CONNECT_STDIN && !reading->text))
        return pe_fail(err, PE_ERR_INVALID, "a message '%s' has %s", kind_names[kind], forms[kind].form);
    return 0;
}

static int take_content(struct reading *reading, struct pe_error *err)
{
    struct connect_message *message = reading->message;
    if (reading->has & HAS_BASE64) {
        message->bytes = pe_base64_decode(reading->text, reading->length, &message->size, err);
        return message->bytes ? 0 : pe_fail_context(err, "'base64' of a message 'stdin'");
    }
    message->bytes = (uint8_t *)pe_steal_ptr(&reading->text);
    message->size = reading->length;
    return 0;
}

static int take_signal(const struct reading *reading, struct pe_error *err)
{
    reading->message->signal = pe_live_signal_number(reading->signal);
    return reading->message->signal ? 0
                                    : pe_fail(err, PE_ERR_INVALID,
                                              "the signal is HUP, INT, QUIT, KILL, USR1, USR2, TERM, CONT or "
                                              "WINCH, not '%s'",
                                              reading->signal);
}

static int finish(struct reading *reading, struct pe_error *err)
{
    if (pe_json_ended(&reading->json, err) < 0)
        return refuse_value(reading, err);
    if (find_kind(reading, err) < 0 || check_members(reading, err) < 0)
        return -1;
    if (reading->message->kind == CONNECT_STDIN)
        return take_content(reading, err);
    return reading->message->kind == CONNECT_SIGNAL ? take_signal(reading, err) : 0;
}

int connect_message_read(const void *text, size_t size, struct connect_message *message, struct pe_error *err)
{
    char key[32];
    *message = (struct connect_message){.input = {.open = true}};
    struct reading reading = {.json = pe_json_read(text, size), .message = message};
    pe_json_enter(&reading.json, '{');
    while (pe_json_next_member(&reading.json, key, sizeof key)) {
        parse_member(&reading, key);
        if (reading.json.fault)
            memcpy(reading.wrong, key, sizeof key);
    }
    int failed = finish(&reading, err);
    free(reading.text);
    return failed;
}

void connect_message_free(struct connect_message *message)
{
    free(message->bytes);
    message->bytes = NULL;
}
