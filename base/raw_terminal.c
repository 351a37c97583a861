/* SPDX-License-Identifier: Apache-2.0 */
/* Raw mode, and the signals during which it must not last. There is one terminal, and signal handlers have to
 * know it, so its state is static. */
#include "base/raw_terminal.h"

#include <signal.h>
#include <termios.h>
#include <unistd.h>

#define FD STDIN_FILENO

static struct termios usual, raw;
static volatile sig_atomic_t is_raw, was_continued;

/* Signals that end a process unless it handles them (signal(7)), without those for real time, which have no
 * names. */
static const int fatal[] = {SIGHUP,  SIGINT,  SIGPIPE, SIGTERM,   SIGQUIT, SIGILL,   SIGTRAP, SIGABRT,
                            SIGBUS,  SIGFPE,  SIGUSR1, SIGSEGV,   SIGUSR2, SIGALRM,  SIGSYS,  SIGXCPU,
                            SIGXFSZ, SIGPROF, SIGIO,   SIGVTALRM, SIGPWR,  SIGSTKFLT};

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

/* The shell may have changed the modes. */
static void on_continue(int number)
{
    (void)number;
    was_continued = 1;
    if (is_raw)
        switch_to(&raw);
}

/* ---- raw mode ---- */

static void handle(int number, void (*handler)(int), int flags)
{
    const struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(number, &action, NULL);
}

/* A program that handles a signal in another way, or ignores it, does not end by it. */
static void handle_fatal(int number)
{
    struct sigaction before;
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
        handle(number, on_fatal, (int)SA_RESETHAND);
}

int pe_raw_terminal_begin(struct pe_error *err)
{
    if (tcgetattr(FD, &usual) < 0)
        return pe_fail_errno(err, "cannot read the modes of the terminal");
    raw = usual;
    cfmakeraw(&raw);
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        handle_fatal(fatal[i]);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        handle_fatal(number);
    handle(SIGTSTP, on_stop, 0);
    handle(SIGCONT, on_continue, 0);
    is_raw = 1;
    if (tcsetattr(FD, TCSANOW, &raw) == 0)
        return 0;
    is_raw = 0;
    return pe_fail_errno(err, "cannot switch the terminal to raw mode");
}

void pe_raw_terminal_end(void)
{
    if (!is_raw)
        return;
    is_raw = 0;
    switch_to(&usual);
}

bool pe_raw_terminal_was_continued(void)
{
    const bool did = was_continued;
    was_continued = 0;
    return did;
}
