/* One line on the terminal that says what is going on, drawn anew and cleared before anything else is
 * written. Only where somebody looks: stderr is a terminal, and this program is in its foreground. What takes
 * less than PROGRESS_AFTER_US draws nothing. */
#ifndef PE_CLI_PROGRESS_H
#define PE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PROGRESS_AFTER_US = 300000,
    PROGRESS_EVERY_US = 100000,
};

struct progress {
    bool is_on;
    bool is_drawn;
    uint64_t begun_us, drawn_us;
};

/* `is_quiet`: the user wants none. */
void progress_init(struct progress *progress, bool is_quiet);

/* Waiting begins now. */
void progress_begin(struct progress *progress);

/* Show what is going on, unless it was drawn a moment ago. */
void progress_report(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Take the line away. To be called before anything is written to the terminal. */
void progress_clear(struct progress *progress);

#endif
