/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between pe-shim and pe-init over the shim's file descriptor 3, a SOCK_SEQPACKET socket,
 * which keeps the bounds of messages. The shim sends records. pe-init sends one struct shim_start
 * with two descriptors (SCM_RIGHTS, unix(7)): the program's standard input, and the file
 * `program` of the input. It answers SHIM_STAGE, SHIM_USAGE and SHIM_LEAVE, and SHIM_ENDED of a terminal's
 * program, with a struct shim_answer each. An answer has the number of its request, because the shim does not
 * wait for ever: a late answer must not be taken for that to the next request. */
#ifndef PE_GUEST_INIT_SHIM_RECORD_H
#define PE_GUEST_INIT_SHIM_RECORD_H

#include <stdint.h>

#define SHIM_CHANNEL_FD 3

/* How the program writes to its streams. */
enum shim_streams {
    SHIM_STREAMS_PLAIN,
    SHIM_STREAMS_PACKETS, /* with O_DIRECT: each write is one of its own (guest-init/capture.h) */
};

struct shim_start {
    uint64_t streams;     /* enum shim_streams */
    uint64_t input;       /* enum shim_input */
    uint64_t stack_bytes; /* limit of the program's stack; 0: leave it as it is */
};

/* What standard input is. */
enum shim_input {
    SHIM_INPUT_FILE,
    SHIM_INPUT_PIPE,     /* the program leads a process group, so that it can be sent signals */
    SHIM_INPUT_TERMINAL, /* likewise, and it is the controlling terminal, stdout and stderr. When the program
                            has ended, its session goes on until pe-init answers: the kernel then drops
                            what nobody has read from the terminal */
};

enum { SHIM_GIVEN_STDIN, SHIM_GIVEN_PROGRAM, SHIM_GIVEN_COUNT };

enum shim_record_kind {
    SHIM_WAITING = 0x70653030, /* the sender waits for its program. pe-init puts it into its own cgroup */
    SHIM_STARTED = 0x70653031, /* the program is about to be executed; only time_us is set */
    SHIM_ENDED = 0x70653032,   /* the program has ended */
    SHIM_STAGE = 0x70653033,   /* put the sender into a new cgroup with the limits memory_bytes and
                                  processes, as the first process of a stage; and give the container the
                                  files that it asks for */
    SHIM_USAGE = 0x70653034,   /* what has the stage used so far? */
    SHIM_LEAVE = 0x70653035,   /* likewise, and no process of it is left: take fresh files away again */
};

/* The files that a stage sees. */
enum shim_files {
    SHIM_FILES_SAME,  /* those of the container */
    SHIM_FILES_FRESH, /* an overlay over them, for one program (guest-init/case_root.h) */
};

struct shim_record {
    uint32_t kind;
    int32_t wait_status; /* as in wait4(2) */
    uint64_t time_us;    /* CLOCK_MONOTONIC */
    uint64_t request;    /* number of what is answered; each is greater than the one before */
    /* Only of SHIM_STAGE: */
    uint64_t memory_bytes, processes; /* 0: the limit of config.json */
    uint64_t files;                   /* enum shim_files */
};

/* All numbers are those of the stage's cgroup (guest-init/cgroup.h). */
struct shim_answer {
    uint64_t request; /* that of the record */
    uint64_t failed;  /* 0: success. Otherwise the numbers below are 0 */
    uint64_t user_us, system_us;
    uint64_t peak_kib;
    uint64_t oom_kills;
    uint64_t held_kib; /* memory of files that were there when the stage began */
};

#endif
