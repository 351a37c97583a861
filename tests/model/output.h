/* SPDX-License-Identifier: Apache-2.0 */
/* What the program of a run prints. Every byte follows from the run, the stream and its position, so
 * what a client gets can be checked byte by byte. stdout begins and ends with the run's marker. */
#ifndef PE_TESTS_MODEL_OUTPUT_H
#define PE_TESTS_MODEL_OUTPUT_H

#include "base/buffer.h"
#include "tests/model/book.h"

/* Free what was chosen for a run. */
void output_free(struct run *run);

/* Choose how much a run prints, and whether its guest lies: it sends other output while it runs than its
 * result has. Call it when the run begins. */
void output_choose(struct run *run);

/* How many bytes of a stream a job may print. */
size_t output_limit(struct work work, enum live_stream stream);

/* Append bytes of a stream as the result has them. */
void output_append(const struct run *run, enum live_stream stream, size_t from, size_t size,
                   struct pe_buf *to);

/* The same as they are sent while the program runs. */
void output_append_live(const struct run *run, enum live_stream stream, size_t from, size_t size,
                        struct pe_buf *to);

/* Whether the byte at this position of a stream may be sent to a client. */
bool output_allows(const struct run *run, enum live_stream stream, size_t at, uint8_t byte);

/* Whether a stream is UTF-8 as a whole. */
bool output_is_text(const struct run *run, enum live_stream stream);

/* Put the marker of a run into `text`. */
void output_marker(const struct run *run, char text[MARKER_SIZE + 1], char mark);

#endif
