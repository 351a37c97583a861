/* SPDX-License-Identifier: Apache-2.0 */
/* Raw mode, and the signals during which it must not last. There is one terminal, and signal handlers have to
 * know it, so its state is static. */
#include "cli/terminal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define FD STDIN_FILENO

static struct termios usual, raw;
static volatile sig_atomic_t is_raw, may_have_new_size;

/* Signals that end a process unless it handles them (signal(7)), without those for real time, which have no
 * names. interrupt.c handles some others. */
static const int fatal[] = {SIGQUIT, SIGILL,  SIGTRAP, SIGABRT,   SIGBUS, SIGFPE,
                            SIGUSR1, SIGSEGV, SIGUSR2, SIGALRM,   SIGSYS, SIGXCPU,
                            SIGXFSZ, SIGPROF, SIGIO,   SIGVTALRM, SIGPWR, SIGSTKFLT};

int terminal_check(struct pe_error *err)
{
    if (isatty(FD))
        return 0;
    return pe_fail(
        err, PE_ERR_INVALID,
        "--tty needs a terminal as standard input, which is not one here; --interactive without --tty "
        "passes a pipe or a file to the program");
}

/* ---- signal handlers: only functions that signal-safety(7) lists ---- */

/* A job in the background must leave the terminal to the one in the foreground. */
static bool is_in_background(void)
{
    pid_t group = tcgetpgrp(FD);
    return group > 0 && group != getpgrp();
}

static void switch_to(const struct termios *modes)
{
    if (!is_in_background())
        tcsetattr(FD, TCSANOW, modes);
}

/* The signal has its usual action again (SA_RESETHAND) and is delivered when the handler returns. */
static void on_fatal(int number)
{
    if (is_raw)
        switch_to(&usual);
    raise(number);
}

static void on_stop(int number)
{
    (void)number;
    if (is_raw)
        switch_to(&usual);
    raise(SIGSTOP);
}

/* The shell may have changed the modes, and the window its size. */
static void on_continue(int number)
{
    (void)number;
    may_have_new_size = 1;
    if (is_raw)
        switch_to(&raw);
}

static void on_size(int number)
{
    (void)number;
    may_have_new_size = 1;
}

/* ---- raw mode ---- */

static void handle(int number, void (*handler)(int), int flags)
{
    const struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(number, &action, NULL);
}

int terminal_make_raw(struct pe_error *err)
{
    if (tcgetattr(FD, &usual) < 0)
        return pe_fail_errno(err, "cannot read the modes of the terminal");
    raw = usual;
    cfmakeraw(&raw);
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        handle(fatal[i], on_fatal, (int)SA_RESETHAND);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        handle(number, on_fatal, (int)SA_RESETHAND);
    handle(SIGTSTP, on_stop, 0);
    handle(SIGCONT, on_continue, 0);
    is_raw = 1;
    if (tcsetattr(FD, TCSANOW, &raw) == 0)
        return 0;
    is_raw = 0;
    return pe_fail_errno(err, "cannot switch the terminal to raw mode");
}

void terminal_restore(void)
{
    if (!is_raw)
        return;
    is_raw = 0;
    switch_to(&usual);
}

/* ---- the window ---- */

void terminal_watch_size(void)
{
    handle(SIGWINCH, on_size, 0);
}

bool terminal_has_new_size(void)
{
    if (!may_have_new_size)
        return false;
    may_have_new_size = 0;
    return true;
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
