/* What pe-shim tells pe-init through file descriptor 3: two records, each one write of less than PIPE_BUF. */
#ifndef PE_GUEST_SHIM_RECORD_H
#define PE_GUEST_SHIM_RECORD_H

#include <stdint.h>

#define SHIM_REPORT_FD 3

enum shim_record_kind {
    SHIM_STARTED = 0x70653031, /* the program is about to be executed; only time_us is set */
    SHIM_ENDED = 0x70653032,   /* the program has ended */
};

struct shim_record {
    uint32_t kind;
    int32_t wait_status; /* as of wait4(2) */
    uint64_t time_us;    /* CLOCK_MONOTONIC */
    uint64_t user_us;    /* of every process that the shim reaped and those that they waited for */
    uint64_t system_us;
    uint64_t max_rss_kib; /* of the largest of them */
};

#endif
