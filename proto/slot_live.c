/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the members of live messages. Which message has which of them is in proto/slot.c. */
#include "proto/slot_live.h"

#include <signal.h>
#include <string.h>

static const struct allowed_signal {
    const char *name;
    int number;
} allowed_signals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"KILL", SIGKILL},   {"USR1", SIGUSR1},
    {"USR2", SIGUSR2}, {"TERM", SIGTERM}, {"CONT", SIGCONT}, {"WINCH", SIGWINCH},
};

enum { ALLOWED_SIGNALS = sizeof allowed_signals / sizeof *allowed_signals };

bool pe_live_signal_is_allowed(int signal)
{
    for (int i = 0; i < ALLOWED_SIGNALS; i++)
        if (allowed_signals[i].number == signal)
            return true;
    return false;
}

int pe_live_signal_number(const char *name)
{
    for (int i = 0; i < ALLOWED_SIGNALS; i++)
        if (!strcmp(allowed_signals[i].name, name))
            return allowed_signals[i].number;
    return 0;
}

uint16_t pe_window_side_parse(struct pe_json_reader *reader)
{
    uint64_t side = pe_json_parse_number(reader, PE_WINDOW_SIDE_MAX);
    if (side == 0)
        pe_json_fault(reader, "a window has at least one row and one column");
    return (uint16_t)side;
}

/* The name becomes a variable of the program's environment, and is looked up in its file system. */
static void parse_term(struct pe_json_reader *reader, char term[PE_TERM_NAME_MAX + 1])
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
    pe_json_parse_text(reader, term, PE_TERM_NAME_MAX + 1);
    if (!term[0] || term[strspn(term, allowed)])
        pe_json_fault(reader, "the name of a terminal has characters that are not allowed");
}

void pe_live_terminal_parse(struct pe_json_reader *reader, struct pe_live_input *input)
{
    char key[8];
    *input = (struct pe_live_input){.open = true, .tty = true, .term = PE_TERM_DEFAULT};
    pe_json_enter(reader, '{');
    while (pe_json_next_member(reader, key, sizeof key))
        if (!strcmp(key, "rows"))
            input->window.rows = pe_window_side_parse(reader);
        else if (!strcmp(key, "cols"))
            input->window.cols = pe_window_side_parse(reader);
        else if (!strcmp(key, "term"))
            parse_term(reader, input->term);
        else
            pe_json_skip(reader);
    if (!input->window.rows || !input->window.cols)
        pe_json_fault(reader, "a window has at least one row and one column");
}

void pe_live_input_parse(struct pe_json_reader *reader, struct pe_live_input *input)
{
    char key[8];
    *input = (struct pe_live_input){.open = true};
    pe_json_enter(reader, '{');
    while (pe_json_next_member(reader, key, sizeof key))
        if (!strcmp(key, "tty"))
            pe_live_terminal_parse(reader, input);
        else
            pe_json_skip(reader);
}

void pe_window_append(struct pe_json_writer *writer, const struct pe_window *window)
{
    pe_json_append_number(writer, "rows", window->rows);
    pe_json_append_number(writer, "cols", window->cols);
}

void pe_live_input_append(struct pe_json_writer *writer, const struct pe_live_input *input)
{
    if (!input->open)
        return;
    pe_json_open(writer, "input", '{');
    if (input->tty) {
        pe_json_open(writer, "tty", '{');
        pe_window_append(writer, &input->window);
        pe_json_append_text(writer, "term", input->term);
        pe_json_close(writer, '}');
    }
    pe_json_close(writer, '}');
}
