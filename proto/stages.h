/* Stages: several programs one after another in one job, as compile and run are, each with limits and a
 * result of its own. The job's command is pe-shim itself, which stands in every container, with arguments
 * that say the plan; what the stages print and how they ended comes back as one report on the job's stdout.
 * The first stage that does not exit with 0 is the last.
 *
 * Words: PE_STAGES_PROGRAM, PE_STAGES_ARGUMENT, the name of the file in /work that is only there to be
 * standard input (it is removed first; empty: none), and for each stage its name, the four limits and the
 * number of its arguments in decimal, and its arguments. Every stage reads standard input from its start.
 * Nothing of a stage lives on in the next one but its files.
 *
 * Report: frames of a kind, a size of three bytes (big endian) and that many bytes. What is printed comes in
 * the order in which it arrived. A report that breaks off is a job that was killed as a whole. */
#ifndef PE_PROTO_STAGES_H
#define PE_PROTO_STAGES_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PE_STAGES_PROGRAM "/dev/pe-shim"
#define PE_STAGES_ARGUMENT "stages"
#define PE_STAGES_MAX 4u
#define PE_STAGE_NAME_MAX 16u
#define PE_STAGE_PLAN_NUMBERS 5u /* between a stage's name and its arguments */
#define PE_STAGE_FRAME_HEAD 4u

enum pe_stage_frame {
    PE_STAGE_BEGIN = 'B', /* the stage's name */
    PE_STAGE_OUT = 'o',   /* bytes of its stdout */
    PE_STAGE_ERR = 'e',   /* of its stderr */
    PE_STAGE_END = 'E',   /* flat text (codec/flat.h): end (pe_stage_end_names), code, signal, wall_us,
                             user_us, system_us, max_rss_kib */
};

/* How a stage ended. */
enum pe_stage_end {
    PE_STAGE_EXITED,   /* code */
    PE_STAGE_SIGNALED, /* signal */
    PE_STAGE_WALL,     /* over wall_ms; killed, as in the next three */
    PE_STAGE_CPU,      /* over cpu_ms */
    PE_STAGE_STDOUT,   /* over output_bytes; what fits is there */
    PE_STAGE_STDERR,   /* the same of stderr */
    PE_STAGE_FAILED,   /* it could not be started */
    PE_STAGE_ENDS
};

#define PE_STAGE_END_NAMES                                                \
    {                                                                     \
        "exited", "signaled", "wall", "cpu", "stdout", "stderr", "failed" \
    }

/* 0: no limit but the job's. */
struct pe_stage_limits {
    uint64_t wall_ms;
    uint64_t cpu_ms;       /* user and system time of all its processes */
    uint64_t memory_bytes; /* of the container's cgroup; a stage over it meets the OOM killer */
    uint64_t output_bytes; /* of stdout, and as many of stderr */
};

/* ---- the host's side (proto/stages.c) ---- */

/* A growing list of arguments, NULL-terminated once it has one. */
struct pe_arguments {
    char **items; /* owned, as each argument is */
    size_t count;
};

int pe_arguments_add(struct pe_arguments *arguments, const char *argument,
                     struct pe_error *err) PE_MUST_CHECK;
void pe_arguments_free(struct pe_arguments *arguments);
#define pe_autoarguments __attribute__((cleanup(pe_arguments_free)))

/* Begin a plan. `stdin_name` may be NULL. */
int pe_stages_begin(struct pe_arguments *plan, const char *stdin_name, struct pe_error *err) PE_MUST_CHECK;
int pe_stages_add(struct pe_arguments *plan, const char *name, const struct pe_stage_limits *limits,
                  const struct pe_arguments *arguments, struct pe_error *err) PE_MUST_CHECK;

struct pe_stage_report {
    char name[PE_STAGE_NAME_MAX + 1];
    bool ended; /* false: the report broke off; the fields up to max_rss_kib are not set */
    enum pe_stage_end end;
    int code, signal;
    uint64_t wall_us, user_us, system_us;
    uint64_t max_rss_kib;           /* of its largest process */
    struct pe_buf out, error, both; /* `both`: in the order of arrival */
};

struct pe_stages {
    struct pe_stage_report items[PE_STAGES_MAX];
    size_t count;
};

/* Read a report, which comes from the guest. A last frame that is cut is left out; what is no report is
 * PE_ERR_MALFORMED. `stages` is zeroed first and the caller's to free in either case. */
int pe_stages_read(const void *bytes, size_t size, struct pe_stages *stages,
                   struct pe_error *err) PE_MUST_CHECK;
void pe_stages_free(struct pe_stages *stages);
#define pe_autostages __attribute__((cleanup(pe_stages_free)))

#endif
