/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal of a program: its modes are in base/raw_terminal.c, and here is the size of its window. A
 * signal handler tells of a new size, so that is static. */
#include "cli/terminal.h"

#include "base/raw_terminal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FD STDIN_FILENO

static volatile sig_atomic_t may_have_new_size;

int terminal_check(struct pe_error *err)
{
    if (isatty(FD))
        return 0;
    return pe_fail(
        err, PE_ERR_INVALID,
        "--tty needs a terminal as standard input, which is not one here; --interactive without --tty "
        "passes a pipe or a file to the program");
}

static void on_size(int number)
{
    (void)number;
    may_have_new_size = 1;
}

int terminal_make_raw(struct pe_error *err)
{
    return pe_raw_terminal_begin(err);
}

void terminal_restore(void)
{
    pe_raw_terminal_end();
}

/* ---- the window ---- */

void terminal_watch_size(void)
{
    const struct sigaction action = {.sa_handler = on_size};
    sigaction(SIGWINCH, &action, NULL);
}

bool terminal_has_new_size(void)
{
    const bool may = pe_raw_terminal_was_continued() || may_have_new_size;
    may_have_new_size = 0;
    return may;
}

static uint16_t side(unsigned count, unsigned otherwise)
{
    if (count == 0)
        count = otherwise;
    return (uint16_t)(count < PE_WINDOW_SIDE_MAX ? count : PE_WINDOW_SIDE_MAX);
}

struct pe_window terminal_size(void)
{
    struct winsize size = {0};
    if (ioctl(FD, TIOCGWINSZ, &size) < 0)
        size = (struct winsize){0};
    return (struct pe_window){.rows = side(size.ws_row, 24), .cols = side(size.ws_col, 80)};
}
