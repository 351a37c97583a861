/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a job with stages and cases. Stages run one after another; the last one is run once for each
 * case, if there are cases, and each case sees the files as the stages before left them. The balancer makes
 * the plan and pe-shim carries it out (proto/stages.h describes the report).
 *
 * A job with a plan has the command PE_STAGES_PROGRAM, PE_PLAN_ARGUMENT, and standard input is the file
 * PE_PLAN_FILE of its input. Programs of the job do not see this file. It has all bytes that they get, and
 * those that only checkers may see. No file of a client may have its name.
 *
 * Encoding: texts, each with a NUL at its end, and bytes behind them. The first text is PE_PLAN_MAGIC, the
 * second one the size of the texts that follow it in decimal. A number is a text in decimal, bytes are their
 * offset behind the texts and their size, and a list is the number of its texts and these. */
#ifndef PE_PROTO_STAGE_PLAN_H
#define PE_PROTO_STAGE_PLAN_H

#include "proto/expect.h"
#include "proto/limits.h"
#include "proto/stages.h"

#define PE_PLAN_ARGUMENT "plan"
#define PE_PLAN_FILE ".pe-plan"
#define PE_PLAN_MAGIC "pe-plan 1"
#define PE_CHECKERS_MAX 8u

/* Room in the report for each stage, case and checker, besides its output. */
#define PE_PLAN_RUN_ROOM 640u

/* Bytes that somebody else owns. `data` is NULL if there are none; of an empty file it is not. */
struct pe_plan_bytes {
    const uint8_t *data;
    size_t size;
};

enum { PE_PLAN_NO_CHECKER = -1 };

/* What a program must do to have succeeded. */
struct pe_plan_expect {
    unsigned exit_code;
    enum pe_expect_compare compare;
    char sha256[PE_SHA256_HEX_SIZE]; /* of the expected stdout as it is compared (pe_expect_hash); empty: any
                                      */
    int checker;                     /* index of the checker, or PE_PLAN_NO_CHECKER */
    struct pe_plan_bytes answer;     /* the expected output that the checker gets */
};

/* One run of a program. */
struct pe_plan_run {
    struct pe_stage_limits limits;
    struct pe_plan_bytes input; /* standard input; none: /dev/null */
    struct pe_plan_expect expect;
};

struct pe_plan_stage {
    char name[PE_STAGE_NAME_MAX + 1];
    unsigned needs; /* a bit for each earlier stage that must have succeeded */
    struct pe_arguments arguments;
    struct pe_arguments environment; /* "KEY=value", in addition to that of the job */
    struct pe_plan_run run;          /* of a last stage with cases, only the cases count */
};

struct pe_plan_case {
    unsigned number;               /* in the report; each is greater than the one before */
    struct pe_arguments arguments; /* follow those of the last stage */
    struct pe_plan_run run;
};

/* A checker gets the paths of three files as further arguments: the input, the output of the program, and the
 * answer. If it exits with 0, the output is right. */
struct pe_plan_checker {
    struct pe_stage_limits limits;
    struct pe_arguments arguments;
    struct pe_arguments environment;
};

/* Zero-initialise it. */
struct pe_plan {
    bool stop;             /* the first case that does not succeed is the last one that is run */
    uint64_t report_bytes; /* of the report: the job's limit of stdout */
    struct pe_plan_stage stages[PE_STAGES_MAX];
    size_t stage_count; /* at least 1 */
    struct pe_plan_checker checkers[PE_CHECKERS_MAX];
    size_t checker_count;
    struct pe_plan_case *cases; /* owned, allocated with malloc */
    size_t case_count;          /* at most PE_CASES_MAX */
};

/* The least report_bytes: every run must be reported, even if all of its output is cut. */
uint64_t pe_plan_report_least(const struct pe_plan *plan);

/* Append the encoded plan. Bytes that are the same memory are written once. PE_ERR_INTERNAL without memory,
 * or PE_ERR_TOO_LARGE if the plan is larger than all files of a job may be. */
int pe_plan_encode(const struct pe_plan *plan, struct pe_buf *out, struct pe_error *err) PE_MUST_CHECK;

/* Decode a plan. A client can write one, so it is not trusted. PE_ERR_MALFORMED says what is wrong. The bytes
 * in `plan`, which is zeroed first, are those of `bytes`. The caller frees it with pe_plan_free, also after a
 * failure. */
int pe_plan_decode(const void *bytes, size_t size, struct pe_plan *plan, struct pe_error *err) PE_MUST_CHECK;

/* Free the lists and cases of a plan, but not the bytes, and zero it. */
void pe_plan_free(struct pe_plan *plan);
#define pe_autoplan __attribute__((cleanup(pe_plan_free)))

#endif
