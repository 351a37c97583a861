/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the report of stages, cases and checkers (proto/stages.h) while it arrives: bytes go in, and what
 * has ended comes out, one after the other. The report comes from a guest and is untrusted. */
#ifndef PE_PROTO_STAGE_REPORT_H
#define PE_PROTO_STAGE_REPORT_H

#include "proto/stages.h"

/* Zero-initialise it. A report of any size has at most PE_STAGES_MAX stages, and the numbers of its cases
 * rise, so the number of runs is bounded. All output together has no more bytes than the report. */
struct pe_report_reader {
    uint8_t head[PE_STAGE_FRAME_HEAD]; /* of the frame that arrives */
    size_t head_size, left;            /* bytes of the head that have arrived; bytes that follow it */
    struct pe_buf text;                /* of a frame that is not output, as far as it has arrived */
    struct pe_stage_report run;        /* the one that has begun */
    bool in_run;
    bool may_check;  /* a checker may begin now */
    unsigned stages; /* that have begun */
    unsigned next;   /* least number of the next case */
};

/* Read bytes until a run has ended or none is left. Returns 1 if one has ended: it is moved to `run`, and the
 * caller frees it with pe_stage_report_free. `bytes` then begins at what was not read. Returns 0 if all bytes
 * were read. PE_ERR_MALFORMED if this is not a report, PE_ERR_INTERNAL without memory; nothing more can be
 * read then. */
int pe_report_read(struct pe_report_reader *reader, struct pe_cursor *bytes, struct pe_stage_report *run,
                   struct pe_error *err) PE_MUST_CHECK;

/* There are no more bytes. Returns 1 if a run has begun and not ended, with what is known of it in `run`,
 * which the caller frees; else 0. PE_ERR_INTERNAL without memory. */
int pe_report_end(struct pe_report_reader *reader, struct pe_stage_report *run,
                  struct pe_error *err) PE_MUST_CHECK;

/* Free what the reader owns, and zero it. */
void pe_report_reader_free(struct pe_report_reader *reader);
#define pe_autoreportreader __attribute__((cleanup(pe_report_reader_free)))

/* Free the output of a run, and zero it. */
void pe_stage_report_free(struct pe_stage_report *run);
#define pe_autostagereport __attribute__((cleanup(pe_stage_report_free)))

#endif
