/* SPDX-License-Identifier: Apache-2.0 */
/* Stages: several programs that run one after another in one job, such as compile and run, each
 * with its own limits and its own result. The command of the job is pe-shim itself, which is in
 * every container, with a plan as its arguments. What the stages print and how they end is written
 * to the job's stdout as one report.
 *
 * There are two kinds of plans. The plan in the arguments is described here; if a stage of it does not exit
 * with 0, the later stages do not run. The plan in a file (proto/stage_plan.h) can also have an input for
 * each stage, expected outputs, and cases, on each of which the last stage is run.
 *
 * Plan in the arguments: PE_STAGES_PROGRAM; PE_STAGES_ARGUMENT; the name of the file in /work that is
 * standard input, or an empty argument; and for each stage its name, its seven limits and the number of its
 * arguments in decimal, and its arguments. The file is removed before the first stage, and every
 * stage reads it from the start. Only the files of a stage remain for the next one.
 *
 * Report: frames, each a kind, a size of three bytes (big endian) and that many bytes. Output is in
 * the order in which it was written. If the job is killed as a whole, the report ends early. */
#ifndef PE_PROTO_STAGES_H
#define PE_PROTO_STAGES_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/sha256.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PE_STAGES_PROGRAM "/dev/pe-shim"
#define PE_STAGES_ARGUMENT "stages"
#define PE_STAGES_MAX 8u
#define PE_CASES_MAX 1000u
#define PE_STAGE_NAME_MAX 64u
#define PE_STAGE_PLAN_NUMBERS 8u /* between a stage's name and its arguments */
#define PE_STAGE_FRAME_HEAD 4u

enum pe_stage_frame {
    PE_STAGE_BEGIN = 'B', /* name of the stage that begins */
    PE_CASE_BEGIN = 'C',  /* number of the case that begins, in decimal */
    PE_CHECK_BEGIN = 'K', /* empty: the checker of the stage or case before begins */
    PE_STAGE_OUT = 'o',   /* bytes of its stdout */
    PE_STAGE_ERR = 'e',   /* bytes of its stderr */
    PE_STAGE_END = 'E',   /* flat text (codec/flat.h): end (pe_stage_end_names), code, signal, wall_us,
                             user_us, system_us, max_rss_kib, oom_kills, held_kib, and of a plan in a file
                             stdout_cut, stderr_cut, sha256. A key that is missing is 0 */
};

/* How a stage ended. */
enum pe_stage_end {
    PE_STAGE_EXITED,   /* code */
    PE_STAGE_SIGNALED, /* signal */
    PE_STAGE_WALL,     /* killed because it exceeded wall_ms */
    PE_STAGE_CPU,      /* killed because it exceeded cpu_ms */
    PE_STAGE_STDOUT,   /* killed because its stdout exceeded output_bytes, which are kept */
    PE_STAGE_STDERR,   /* the same for stderr */
    PE_STAGE_FAILED,   /* it could not be started */
    PE_STAGE_SKIPPED,  /* it was not run, because another one has failed */
    PE_STAGE_ENDS
};

/* The values of the key `end` in a frame PE_STAGE_END. */
#define PE_STAGE_END_NAMES                                                           \
    {                                                                                \
        "exited", "signaled", "wall", "cpu", "stdout", "stderr", "failed", "skipped" \
    }

/* A value of 0 means that only the limits of the job apply. */
struct pe_stage_limits {
    uint64_t wall_ms;
    uint64_t cpu_ms;       /* user and system time of all its processes */
    uint64_t memory_bytes; /* of the stage's cgroup; at it, processes are killed */
    uint64_t output_bytes; /* of stdout, and the same number of stderr unless error_bytes is set */
    uint64_t error_bytes;  /* of stderr; only in a plan in a file */
    uint64_t processes;    /* and threads, in the stage's cgroup; beyond it fork(2) fails */
    uint64_t file_bytes;   /* of one file; beyond it the kernel sends SIGXFSZ */
    uint64_t open_files;   /* of one process; beyond it open(2) fails */
};

/* ---- the host's side (proto/stages.c, proto/stage_report.c) ---- */

/* A growing list of arguments. It ends with NULL, unless it is empty. */
struct pe_arguments {
    char **items; /* owned, as each argument is */
    size_t count;
};

/* Append a copy of a text. PE_ERR_INTERNAL without memory. */
int pe_arguments_add(struct pe_arguments *arguments, const char *argument,
                     struct pe_error *err) PE_MUST_CHECK;

/* Free the list and its texts. */
void pe_arguments_free(struct pe_arguments *arguments);
#define pe_autoarguments __attribute__((cleanup(pe_arguments_free)))

/* Begin a plan. `stdin_name` is the file that is standard input, or NULL. PE_ERR_INTERNAL without
 * memory. */
int pe_stages_begin(struct pe_arguments *plan, const char *stdin_name, struct pe_error *err) PE_MUST_CHECK;

/* Add a stage to a plan. PE_ERR_INTERNAL without memory. */
int pe_stages_add(struct pe_arguments *plan, const char *name, const struct pe_stage_limits *limits,
                  const struct pe_arguments *arguments, struct pe_error *err) PE_MUST_CHECK;

/* What was run. */
enum pe_stage_run_kind {
    PE_RUN_STAGE,
    PE_RUN_CASE,
    PE_RUN_CHECK, /* the checker of the run before */
};

struct pe_stage_report {
    enum pe_stage_run_kind kind;
    char name[PE_STAGE_NAME_MAX + 1]; /* of a stage; else empty */
    unsigned number;                  /* of a case, below PE_CASES_MAX */
    bool ended; /* false: the report ended early, and the members up to held_kib are not set */
    enum pe_stage_end end;
    int code, signal;
    uint64_t wall_us, user_us, system_us;
    uint64_t
        max_rss_kib;    /* greatest memory use of all its processes together, with the files that it wrote */
    uint64_t oom_kills; /* processes that were killed because the stage, or the job, had no memory left */
    uint64_t held_kib;  /* memory of the files that earlier stages left, which the job pays for */
    /* Bytes at the end of stdout and stderr that are not in the report, because it was full. */
    uint64_t out_cut, error_cut;
    char
        sha256[PE_SHA256_HEX_SIZE]; /* of the whole stdout as it is compared; empty unless the plan has one */
    /* stdout, stderr, and both in the order of arrival. No character is cut: `both` has the bytes of
     * a character together, and at the end of a stage that was killed, the beginning of one is left
     * out. */
    struct pe_buf out, error, both;
    size_t out_held, error_held; /* bytes at the end of `out` and `error` that are not in `both` yet */
};

struct pe_stages {
    struct pe_stage_report items[PE_STAGES_MAX];
    size_t count;
};

/* Read a report of stages without cases, which comes from the guest and is untrusted. A report
 * that ends early is not an error. PE_ERR_MALFORMED if the bytes are not such a report (proto/stage_report.h
 * reads any), PE_ERR_INTERNAL without memory. The caller frees `stages`, which is zeroed first, also after a
 * failure. */
int pe_stages_read(const void *bytes, size_t size, struct pe_stages *stages,
                   struct pe_error *err) PE_MUST_CHECK;

/* Free the output of all stages. */
void pe_stages_free(struct pe_stages *stages);
#define pe_autostages __attribute__((cleanup(pe_stages_free)))

#endif
