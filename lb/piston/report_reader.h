/* SPDX-License-Identifier: Apache-2.0 */
/* The report of the stages (proto/stages.h) while it arrives, as the messages of Piston's GET /connect. The
 * report comes from a guest and is untrusted. */
#ifndef PE_LB_PISTON_REPORT_READER_H
#define PE_LB_PISTON_REPORT_READER_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/result.h"
#include "proto/stages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PISTON_STREAMS = 2, PISTON_CHARACTER_MAX = 4 };

/* Zero-initialise it. */
struct piston_report_reader {
    uint8_t head[PE_STAGE_FRAME_HEAD]; /* of the frame that arrives */
    size_t head_size, left;            /* bytes of the head that have arrived; bytes that follow it */
    struct pe_buf stage;               /* the frames of the stage that runs, without its output */
    bool in_stage;                     /* it has begun and not ended */
    bool is_broken;                    /* this is no report */
    /* The beginning of a character whose end has not arrived, of stdout and of stderr. */
    uint8_t held[PISTON_STREAMS][PISTON_CHARACTER_MAX];
    size_t held_size[PISTON_STREAMS];
};

/* Read until there is a message or no byte is left, and append the message to `out`: `stage`, `data` or
 * `exit`. `bytes` begins at what was not read then. What follows a byte that cannot be in a report is
 * ignored. Fails as pe_buf_append does. */
int piston_report_read(struct piston_report_reader *reader, struct pe_cursor *bytes, struct pe_buf *out,
                       struct pe_error *err) PE_MUST_CHECK;

/* The report is complete, and `fields` tells how its job has ended. Append the message `exit` of a stage
 * that has not ended, if there is one. PE_ERR_MALFORMED if the bytes were no report. */
int piston_report_end(struct piston_report_reader *reader, const struct pe_result *fields, struct pe_buf *out,
                      struct pe_error *err) PE_MUST_CHECK;

/* Free what `reader` owns, and zero it. */
void piston_report_reader_free(struct piston_report_reader *reader);

#endif
