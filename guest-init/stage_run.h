/* SPDX-License-Identifier: Apache-2.0 */
/* Running one program of a stage, a case or a checker, with its limits and in a cgroup of its own. */
#ifndef PE_GUEST_INIT_STAGE_RUN_H
#define PE_GUEST_INIT_STAGE_RUN_H

#include "base/buffer.h"
#include "guest-init/run_report.h"
#include "guest-init/stage_plan.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What to run, besides the arguments and limits. */
struct stage_order {
    const struct stage *stage;
    char *const *environment; /* "KEY=value", in addition to that of this process; NULL: nothing */
    int input;                /* standard input; -1: that of this process, from its start */
    const char *directory;    /* NULL: that of this process */
    bool fresh;               /* with files of its own (guest-init/case_root.h); needs `directory` */
    /* Called in this process when the program has its files, before it starts; NULL: nothing. False: do not
     * start it. */
    bool (*place_files)(const void *context);
    const void *context;
    struct pe_buf *kept; /* its stdout is appended here as well, up to the limit of the buffer; NULL: not */
    bool goes_on;        /* when the report is full; otherwise the program is killed */
};

/* One of a run's two outputs. */
struct stream {
    int fd; /* -1 once it ended */
    enum pe_stage_frame frame;
    enum pe_stage_end over; /* how the run ends if it writes too much */
    uint64_t limit;         /* bytes */
    uint64_t taken;         /* bytes so far */
    uint64_t cut;           /* of these, those that are not in the report */
};

/* The process that runs programs, one after another. */
struct stage_run {
    struct run_report report;
    sigset_t outside;  /* the signal mask that programs get */
    int children;      /* signalfd of SIGCHLD */
    int events;        /* epoll of `children` and of both streams */
    uint64_t requests; /* to pe-init: the number of the last one */

    /* Of the run: */
    const struct stage_order *order;
    struct run_result result;
    pid_t program;
    bool reaped;
    uint64_t start_us, end_us;
    uint64_t cpu_check_us; /* when to read the CPU time next */
    struct stream out, error;
    bool stuck; /* its files could not be taken away, so nothing can be run any more */
};

/* Prepare this process, which must be PID 1 of its PID namespace and have the channel to pe-init
 * (guest-init/shim_record.h). `report_bytes` is what all reports together may have. Fails with errno. */
int stage_run_prepare(struct stage_run *run, size_t report_bytes) PE_MUST_CHECK;

/* Run a program, until it and all that it started have ended or are killed, and write what it prints to the
 * report. The caller writes the frames before and after it. Everything about the end is in `run->result`. */
void stage_run_program(struct stage_run *run, const struct stage_order *order);

#endif
