/* SPDX-License-Identifier: Apache-2.0 */
/* Progress of a command on stderr: a bar on a terminal, otherwise a line every five seconds. */
#ifndef PE_IMAGE_PROGRESS_H
#define PE_IMAGE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool quiet;           /* print nothing */
    const char *step;     /* name of the current step, as in "writing" */
    uint64_t done, total; /* bytes; total 0: unknown */
    uint64_t started_us, shown_us;
    bool terminal, drawn; /* stderr is a terminal; a bar is shown */
};

/* Initialise, and find out whether stderr is a terminal. `quiet`: print nothing. */
void progress_init(struct progress *progress, bool quiet);

/* Begin a step of `total` bytes (0: unknown). `step` must stay valid until the next step. */
void progress_begin(struct progress *progress, const char *step, uint64_t total);
/* Count `bytes` as done, and redraw the bar when it is time. */
void progress_add(struct progress *progress, uint64_t bytes);
/* Remove the bar, so that other output can be printed. */
void progress_end(struct progress *progress);

/* Print a line of text, unless quiet. */
void progress_report(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
