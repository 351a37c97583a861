/* How far a command is, on stderr: a bar on a terminal, a line every few seconds elsewhere, nothing when
 * quiet. */
#ifndef PE_IMAGE_PROGRESS_H
#define PE_IMAGE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool quiet;       /* nothing at all: a program reads our output */
    const char *step; /* what is being done, as in "reading" */
    uint64_t done, total;
    uint64_t started_us, shown_us;
    bool terminal, drawn;
};

/* Ready to begin; whether stderr is a terminal is found out here. */
void progress_init(struct progress *progress, bool quiet);

/* Begin a step of `total` bytes (0: not known). `step` must outlive it. */
void progress_begin(struct progress *progress, const char *step, uint64_t total);
void progress_add(struct progress *progress, uint64_t bytes);
/* Remove the bar, so that a message or another program can have the line. */
void progress_end(struct progress *progress);

/* A line of text, unless quiet. */
void progress_report(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
