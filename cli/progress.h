/* SPDX-License-Identifier: Apache-2.0 */
/* A line on the terminal that shows what pe-run is waiting for. It is redrawn in place and cleared
 * before anything else is written. It is shown only if stderr is a terminal and this process is in
 * its foreground, and only after PROGRESS_AFTER_US. */
#ifndef PE_CLI_PROGRESS_H
#define PE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PROGRESS_AFTER_US = 300000, /* no line before this time */
    PROGRESS_EVERY_US = 100000, /* shortest time between two redraws */
};

struct progress {
    bool is_on;    /* false: nothing is ever drawn */
    bool is_drawn; /* there is a line to clear */
    uint64_t begun_us, drawn_us;
    char note[64]; /* is shown behind what is waited for; or "" */
};

/* Initialise, and start the clock as progress_begin does. `is_quiet`: never draw. */
void progress_init(struct progress *progress, bool is_quiet);

/* Restart the clock: waiting begins now. */
void progress_begin(struct progress *progress);

/* Draw the line, unless it was drawn less than PROGRESS_EVERY_US ago. */
void progress_report(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Show this as well from now on, for example how much is done. */
void progress_note(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Clear the line. Call this before anything else is written to the terminal. */
void progress_clear(struct progress *progress);

#endif
