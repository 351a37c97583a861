/* What pe-shim and pe-init say to each other through the shim's file descriptor 3, a SOCK_SEQPACKET socket:
 * every message is whole. The shim sends shim_record; pe-init sends one message of a byte with two
 * descriptors (SCM_RIGHTS, unix(7)): the program's standard input, and the open `program` file of the input.
 */
#ifndef PE_GUEST_SHIM_RECORD_H
#define PE_GUEST_SHIM_RECORD_H

#include <stdint.h>

#define SHIM_CHANNEL_FD 3

enum { SHIM_GIVEN_STDIN, SHIM_GIVEN_PROGRAM, SHIM_GIVEN_COUNT };

enum shim_record_kind {
    SHIM_WAITING = 0x70653030, /* the container stands and waits for its program */
    SHIM_STARTED = 0x70653031, /* the program is about to be executed; only time_us is set */
    SHIM_ENDED = 0x70653032,   /* the program has ended */
    SHIM_LIMIT = 0x70653033,   /* of stages: limit the container to memory_bytes; answered with a byte, 0 when
                                  that is done */
};

struct shim_record {
    uint32_t kind;
    int32_t wait_status; /* as of wait4(2) */
    uint64_t time_us;    /* CLOCK_MONOTONIC */
    uint64_t user_us;    /* of every process that the shim reaped and those that they waited for */
    uint64_t system_us;
    uint64_t max_rss_kib;  /* of the largest of them */
    uint64_t memory_bytes; /* of SHIM_LIMIT; 0: as config.json says */
};

#endif
