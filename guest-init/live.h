/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's end of the live device (proto/guest-contract.md): output that is sent while the program runs,
 * and input, window sizes and signals that arrive. The program never waits for the host: what does not fit
 * into the ring is sent later, or is only in the archive.
 *
 * What can fail fails with PE_ERR_MALFORMED if the host breaks the contract, and with PE_ERR_INTERNAL if a
 * call of the kernel fails. */
#ifndef PE_GUEST_INIT_LIVE_H
#define PE_GUEST_INIT_LIVE_H

#include "base/error.h"
#include "guest-init/capture.h"
#include "guest-init/job.h"
#include "guest-init/terminal.h"
#include "proto/live_ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct live {
    int serial; /* borrowed; -1: this run is not live */
    int device; /* owned; -1: the host has not sent anything yet */
    struct pe_live_end end;
    bool watched;       /* the host wants the output */
    size_t streamed[2]; /* bytes of stdout and stderr that are in the ring */
    uint64_t rang_us;   /* when the doorbell was rung last */
    uint64_t ring_us;   /* when to ring it; 0: there is no news */
    uint64_t told;      /* input that was taken, as the host knows it */

    struct terminal terminal;
    int input;        /* where bytes for standard input go, nonblocking: owned if there is no terminal */
    uint8_t *waiting; /* owned, PE_LIVE_WINDOW bytes: input that the program has not been given yet */
    size_t waiting_at, waiting_end;
    bool eof;         /* no more of it follows */
    bool in_line;     /* the last byte that the program was given does not end a line */
    pid_t program;    /* 0: it has not started, or has ended */
    uint64_t signals; /* a bit for each that arrived before the program started */
};

/* Begin. `serial` is the port with the doorbell, or -1 if this run is not live. */
void live_begin(struct live *live, int serial);

/* Make the standard input of a job with `live_input`, for the user `owner` in the container of `shim_fd`.
 * `*theirs` is the program's end, which the caller closes. */
int live_open_input(struct live *live, const struct guest_job *job, int shim_fd, uid_t owner, int *theirs,
                    struct pe_error *err) PE_MUST_CHECK;

/* The program has started, as the leader of a process group, or has ended (0). */
void live_set_program(struct live *live, pid_t program);

/* The descriptor that must be writable before live_feed can do something; -1: none. */
int live_blocked_input(const struct live *live);

/* When live_stream has to be called, on the clock of pe_now_us; 0: not because of the time. */
uint64_t live_deadline(const struct live *live);

/* A line is there on the serial port. */
int live_on_doorbell(struct live *live, struct pe_error *err) PE_MUST_CHECK;

/* Give the program as much input as it takes now. */
void live_feed(struct live *live);

/* Send what is new of both streams, as far as there is room, and ring the doorbell if it is time. */
int live_stream(struct live *live, const struct capture *out, const struct capture *error,
                struct pe_error *err) PE_MUST_CHECK;

/* Close and free everything. */
void live_end(struct live *live);

#endif
