/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing progress bars. */
#include "image/progress.h"

#include "base/io.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define BAR_CELLS 30u
#define REDRAW_US 100000u
#define LINE_EVERY_US 5000000u

void progress_init(struct progress *progress, bool quiet)
{
    *progress = (struct progress){.quiet = quiet, .terminal = isatty(STDERR_FILENO) == 1};
}

static void draw_bar(struct progress *progress)
{
    char bar[BAR_CELLS + 1] = {0};
    uint64_t total = progress->total > progress->done ? progress->total : progress->done;
    unsigned full = total ? (unsigned)(progress->done * BAR_CELLS / total) : 0;
    for (unsigned i = 0; i < BAR_CELLS; i++)
        bar[i] = i < full ? '#' : '.';
    double seconds = (double)(progress->shown_us - progress->started_us) / 1e6;
    fprintf(stderr, "\r\033[K%-10s [%s] %3u%% %8.1f MiB %6.1f s", progress->step, bar,
            total ? (unsigned)(progress->done * 100 / total) : 0, (double)progress->done / 1048576, seconds);
    progress->drawn = true;
}

static void print_line(const struct progress *progress)
{
    char of[40] = "";
    if (progress->total)
        snprintf(of, sizeof of, " of %llu", (unsigned long long)(progress->total >> 20));
    fprintf(stderr, "pe-image: %s: %llu%s MiB so far\n", progress->step,
            (unsigned long long)(progress->done >> 20), of);
}

void progress_begin(struct progress *progress, const char *step, uint64_t total)
{
    progress_end(progress);
    progress->step = step;
    progress->done = 0;
    progress->total = total;
    progress->started_us = progress->shown_us = pe_now_us();
}

void progress_add(struct progress *progress, uint64_t bytes)
{
    progress->done += bytes;
    if (progress->quiet)
        return;
    uint64_t now = pe_now_us();
    if (now - progress->shown_us < (progress->terminal ? REDRAW_US : LINE_EVERY_US))
        return;
    progress->shown_us = now;
    if (progress->terminal)
        draw_bar(progress);
    else
        print_line(progress);
}

void progress_end(struct progress *progress)
{
    if (progress->drawn)
        fprintf(stderr, "\r\033[K");
    progress->drawn = false;
}

void progress_report(struct progress *progress, const char *format, ...)
{
    progress_end(progress);
    if (progress->quiet)
        return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "pe-image: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
}
