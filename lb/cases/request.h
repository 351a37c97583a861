/* SPDX-License-Identifier: Apache-2.0 */
/* What a client wants of a job with stages (docs/cases.md): programs that run one after another, and perhaps
 * cases, each of which the last program is run on. Decoded and checked here, with the defaults and what
 * cases inherit from the last stage filled in. How it is run is decided in lb/cases/plan.h.
 *
 * request.c  the whole
 * fields.c   the members of stages and cases */
#ifndef PE_LB_CASES_REQUEST_H
#define PE_LB_CASES_REQUEST_H

#include "base/error.h"
#include "lb/core/submission.h"
#include "proto/stages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CASES_MAX = PE_CASES_MAX,
    CASE_STAGES_MAX = PE_STAGES_MAX,
    CASE_NAME_MAX = PE_STAGE_NAME_MAX, /* bytes */
    CASE_TEXTS_MAX = 64 * 1024,        /* arguments and variables of all stages and cases together */
    CASE_CHECKER_MS = 10 * 1000,       /* how long a checker may run */
    CASE_CHECKER_BYTES = 4096          /* of its stdout, and of its stderr */
};

/* Limits of an operator. */
struct case_rules {
    uint64_t total_ms; /* the longest time limit of a job with stages */
    uint64_t slots;    /* over how many slots the cases of one job may be spread */
};

/* Bytes that a client has sent, within the job or as a file. */
struct case_bytes {
    bool is_given;
    struct pe_cursor bytes; /* in `owned`, in the submission, or in another struct of the request */
    uint8_t *owned;
};

/* A list of texts that ends with NULL. */
struct case_texts {
    char **items;
    size_t count;
    bool is_borrowed; /* from the last stage */
};

/* What a program must do to succeed. */
struct case_expect {
    bool has_exit_code, has_compare;
    uint32_t exit_code;
    struct case_bytes output;
    bool is_exact;             /* every byte counts; else white space at the end of lines does not */
    struct case_texts checker; /* empty: the output is compared, if `output` is given */
    char sha256[65];           /* of the output that is compared (lb/cases/expected.h), in hex digits */
};

/* What stages and cases have in common. */
struct case_run {
    char *name; /* never NULL after decoding */
    struct case_bytes input;
    uint32_t timeout_ms, cpu_ms, memory_mib, stdout_max, stderr_max; /* cpu_ms, memory_mib: 0: none */
    struct case_expect expect;
};

struct case_stage {
    struct case_run run;
    struct case_texts cmd, env;
    bool has_needs;
    uint32_t needs; /* bits of earlier stages that must have succeeded */
};

struct case_case {
    struct case_run run;
    struct case_texts args; /* behind the command of the last stage */
};

struct case_request {
    struct case_stage stages[CASE_STAGES_MAX];
    size_t stage_count;
    struct case_case *cases; /* none: the last stage runs once, as the others do */
    size_t case_count;
    bool stops;          /* after the first case that is not right, no other one runs */
    uint32_t slots;      /* 1..CASES_MAX; at most as many as there are cases */
    bool *file_is_taken; /* for each file of the submission: it is input or output of a run, and is not in
                            /work */
    size_t texts;        /* arguments and variables so far */
    size_t bytes;        /* memory that the request needs, roughly */
};

/* Decode the stages and cases of a submission that has some, and check them together with the rest of the
 * job. The request points into the submission, which must outlive it and stay as it is. PE_ERR_MALFORMED:
 * not JSON; PE_ERR_INVALID names the stage or case, and the field; PE_ERR_TOO_LARGE: more than a limit
 * allows; PE_ERR_INTERNAL: no memory. The caller frees `request`, which is zeroed first, also after a
 * failure. */
int case_request_decode(const struct submission *submission, const struct case_rules *rules,
                        struct case_request *request, struct pe_error *err) PE_MUST_CHECK;

/* How often programs of stages run before the cases begin: all stages, unless the last one runs once per
 * case. */
size_t case_request_once(const struct case_request *request);

/* The time limits of the stages and of the cases from `first` on together, with the time between them. */
uint64_t case_request_total_ms(const struct case_request *request, size_t first, size_t count);

/* Free what it owns. The struct is zero then. */
void case_request_free(struct case_request *request);

/* ---- fields.c ---- */

/* The files of a submission, sorted by name, to find them by name. */
struct case_files {
    const struct submission *submission;
    size_t *order; /* owned */
};

/* Read the members of one stage, or of one case, up to the end of its object. Fail like
 * case_request_decode(), and name the field; a fault of the reader stays with it, and is no failure. */
int case_stage_parse(struct pe_json_reader *json, const struct case_files *files,
                     struct case_request *request, struct case_stage *stage,
                     struct pe_error *err) PE_MUST_CHECK;
int case_case_parse(struct pe_json_reader *json, const struct case_files *files, struct case_request *request,
                    struct case_case *one, struct pe_error *err) PE_MUST_CHECK;

/* Free a list, unless it is borrowed. The struct is zero then. */
void case_texts_free(struct case_texts *texts);

#endif
