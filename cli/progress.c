/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing the line. Each drawing is a single write(2), so that output of other processes cannot
 * split it. */
#include "cli/progress.h"

#include "base/io.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ECMA-48, EL: erase from the cursor to the end of the line. */
#define ERASE "\033[K"
#define LINE_MAX_BYTES 256
#define COLUMNS_DEFAULT 80

void progress_init(struct progress *progress, bool is_quiet)
{
    const char *terminal = getenv("TERM");
    *progress = (struct progress){.is_on = !is_quiet && isatty(STDERR_FILENO) == 1 && terminal &&
                                           strcmp(terminal, "dumb") != 0};
    progress_begin(progress);
}

void progress_begin(struct progress *progress)
{
    progress->begun_us = pe_now_us();
    progress->note[0] = '\0';
}

void progress_note(struct progress *progress, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(progress->note, sizeof progress->note, format, arguments);
    va_end(arguments);
}

/* A background process must not draw over what the user types in the shell. */
static bool is_in_background(void)
{
    pid_t group = tcgetpgrp(STDERR_FILENO);
    return group > 0 && group != getpgrp();
}

/* One column less than the terminal has: a full line would wrap, and wrapped text cannot be
 * erased. */
static size_t usable_columns(void)
{
    struct winsize size = {0};
    bool is_known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    return (is_known ? size.ws_col : COLUMNS_DEFAULT) - 1;
}

static void write_line(const char *text, size_t size)
{
    char line[LINE_MAX_BYTES + 16];
    int n = snprintf(line, sizeof line, "\r%.*s" ERASE, (int)size, text);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* the terminal is gone; there is nothing to do */
}

void progress_report(struct progress *progress, const char *format, ...)
{
    uint64_t now = pe_now_us();
    if (!progress->is_on || now - progress->begun_us < PROGRESS_AFTER_US ||
        now - progress->drawn_us < PROGRESS_EVERY_US || is_in_background())
        return;
    char text[LINE_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (n < 0)
        return;
    if (progress->note[0] && (size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n, "; %s", progress->note);
    size_t size = strlen(text), columns = usable_columns();
    write_line(text, size < columns ? size : columns);
    progress->drawn_us = now;
    progress->is_drawn = true;
}

void progress_clear(struct progress *progress)
{
    if (progress->is_drawn)
        write_line("", 0);
    progress->is_drawn = false;
}
