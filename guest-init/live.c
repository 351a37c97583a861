/* SPDX-License-Identifier: Apache-2.0 */
/* Between the rings and the program. Everything here runs in the loop of guest-init/supervise.c, and nothing
 * waits. The host is trusted: its mistakes end the job. */
#include "guest-init/live.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/devices.h"
#include "guest-init/serial.h"
#include "proto/slot_live.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The doorbell interrupts the host's process and the kernel of the guest, so there is a pause after each
 * ring. The news that input was taken is not urgent: output that answers the input usually follows at once.
 */
#define RING_PAUSE_US 1000u
#define TAKEN_DELAY_US 3000u
#define TAKEN_URGENT (PE_LIVE_WINDOW / 4)

enum { OUT, ERR };

void live_begin(struct live *live, int serial)
{
    *live = (struct live){.serial = serial, .device = -1, .terminal = TERMINAL_NONE, .input = -1};
}

void live_end(struct live *live)
{
    if (live->terminal.master >= 0)
        live->input = -1;
    terminal_close(&live->terminal);
    pe_cleanup_close(&live->input);
    pe_cleanup_close(&live->device);
    pe_live_free(&live->end);
    free(live->waiting);
    live_begin(live, -1);
}

/* ---- the device ---- */

static int move_blocks(ssize_t n, size_t size, const char *what, struct pe_error *err)
{
    if (n == (ssize_t)size)
        return 0;
    return n < 0 ? pe_fail_errno(err, "cannot %s the live device", what)
                 : pe_fail(err, PE_ERR_INTERNAL,
                           "cannot %s the live device: the kernel stopped in the middle", what);
}

static int read_blocks(void *context, uint64_t offset, void *bytes, size_t size, struct pe_error *err)
{
    const struct live *live = context;
    return move_blocks(pread(live->device, bytes, size, (off_t)offset), size, "read", err);
}

static int write_blocks(void *context, uint64_t offset, const void *bytes, size_t size, struct pe_error *err)
{
    const struct live *live = context;
    return move_blocks(pwrite(live->device, bytes, size, (off_t)offset), size, "write", err);
}

/* O_DIRECT leaves nothing in the page cache, as in guest-init/archive.c. */
static int open_device(struct live *live, struct pe_error *err)
{
    const struct pe_live_device device = {live, read_blocks, write_blocks};
    const char *path = guest_devices()->live;
    live->device = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    if (live->device < 0)
        return pe_fail_errno(err, "cannot open %s", path);
    return pe_live_open(&live->end, PE_LIVE_GUEST, &device, err);
}

/* ---- input ---- */

static int open_pipe(struct live *live, int *theirs, struct pe_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return pe_fail_errno(err, "cannot make a pipe for standard input");
    *theirs = ends[0];
    live->input = ends[1];
    return fcntl(live->input, F_SETFL, O_NONBLOCK) == 0
               ? 0
               : pe_fail_errno(err, "cannot set the pipe for standard input non-blocking");
}

int live_open_input(struct live *live, const struct guest_job *job, int shim_fd, uid_t owner, int *theirs,
                    struct pe_error *err)
{
    live->waiting = malloc(PE_LIVE_WINDOW);
    if (!live->waiting)
        return pe_fail_errno(err, "out of memory for standard input");
    if (!job->rows)
        return open_pipe(live, theirs, err);
    if (terminal_open(&live->terminal, shim_fd, owner, err) < 0)
        return -1;
    terminal_resize(&live->terminal, (unsigned)job->rows, (unsigned)job->cols);
    live->input = live->terminal.master;
    *theirs = fcntl(live->terminal.slave, F_DUPFD_CLOEXEC, 0);
    return *theirs >= 0 ? 0 : pe_fail_errno(err, "cannot copy the descriptor of a terminal");
}

int live_blocked_input(const struct live *live)
{
    return live->waiting_at < live->waiting_end || live->eof ? live->input : -1;
}

/* Nobody reads any more: what follows is taken and lost, as by a program that ignores its input. */
static void drop_input(struct live *live)
{
    live->end.mine.taken += live->waiting_end - live->waiting_at;
    live->waiting_at = live->waiting_end = 0;
    if (live->terminal.master < 0) {
        pe_cleanup_close(&live->input);
        live->input = -1;
    }
}

/* Behind an incomplete line, the first one only ends the line. Returns false if the terminal is full. */
static bool end_typing(struct live *live)
{
    bool in_lines = false;
    const char end = terminal_end_of_input(&live->terminal, &in_lines);
    while (true) {
        if (write(live->terminal.master, &end, 1) < 0)
            return errno != EAGAIN && errno != EINTR;
        if (!live->in_line || !in_lines)
            return true;
        live->in_line = false;
    }
}

/* Everything was given, and nothing follows. live_feed is called again when a full terminal has room. */
static void end_input(struct live *live)
{
    if (live->terminal.master >= 0) {
        if (!end_typing(live))
            return;
    } else {
        pe_cleanup_close(&live->input);
        live->input = -1;
    }
    live->eof = false;
}

static bool ends_line(uint8_t byte)
{
    return byte == '\n' || byte == '\r';
}

void live_feed(struct live *live)
{
    while (live->waiting_at < live->waiting_end && live->input >= 0) {
        ssize_t n =
            write(live->input, live->waiting + live->waiting_at, live->waiting_end - live->waiting_at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 || (n < 0 && errno == EAGAIN))
            return;
        if (n < 0) {
            drop_input(live);
            break;
        }
        live->waiting_at += (size_t)n;
        live->in_line = !ends_line(live->waiting[live->waiting_at - 1]);
        live->end.mine.taken += (uint64_t)n;
    }
    if (live->input < 0)
        drop_input(live);
    else if (live->eof)
        end_input(live);
}

/* The host sends at most PE_LIVE_WINDOW bytes that were not taken, so there is always room. */
static int keep_input(struct live *live, const struct pe_live_record *record, struct pe_error *err)
{
    if (!live->waiting)
        return pe_fail(err, PE_ERR_MALFORMED, "the host sent input to a job without live input");
    memmove(live->waiting, live->waiting + live->waiting_at, live->waiting_end - live->waiting_at);
    live->waiting_end -= live->waiting_at;
    live->waiting_at = 0;
    if (record->size > PE_LIVE_WINDOW - live->waiting_end)
        return pe_fail(err, PE_ERR_MALFORMED, "the host sent more input than its window allows");
    memcpy(live->waiting + live->waiting_end, record->data, record->size);
    live->waiting_end += record->size;
    return 0;
}

/* ---- signals ---- */

static void send_signal(struct live *live, int number)
{
    const pid_t foreground = live->terminal.master >= 0 ? terminal_foreground(&live->terminal) : 0;
    if (live->program > 0)
        kill(foreground ? -foreground : -live->program, number);
    else
        live->signals |= 1ull << number;
}

void live_set_program(struct live *live, pid_t program)
{
    live->program = program;
    for (int number = 1; program && number < 64; number++)
        if (live->signals & 1ull << number)
            send_signal(live, number);
    live->signals = 0;
}

/* ---- records ---- */

static int handle_record(struct live *live, const struct pe_live_record *record, struct pe_error *err)
{
    const uint8_t *data = record->data;
    switch (record->kind) {
    case PE_LIVE_WATCH:
        live->watched = true;
        return 0;
    case PE_LIVE_INPUT:
        return keep_input(live, record, err);
    case PE_LIVE_EOF:
        live->eof = true;
        return 0;
    case PE_LIVE_RESIZE:
        if (record->size == 4 && live->terminal.master >= 0)
            terminal_resize(&live->terminal, data[0] | (unsigned)data[1] << 8,
                            data[2] | (unsigned)data[3] << 8);
        return 0;
    case PE_LIVE_SIGNAL:
        if (record->size == 1 && data[0] > 0 && data[0] < 64)
            send_signal(live, data[0]);
        return 0;
    case PE_LIVE_STDOUT:
    case PE_LIVE_STDERR:
        break;
    }
    return pe_fail(err, PE_ERR_MALFORMED, "the host sent a record of output");
}

int live_on_doorbell(struct live *live, struct pe_error *err)
{
    enum serial_command command = SERIAL_WAKE;
    struct pe_live_record record;
    int got = 0;
    if (serial_receive(live->serial, &command, err) < 0)
        return -1;
    if (command != SERIAL_LIVE)
        return pe_fail(err, PE_ERR_MALFORMED, "the host sent something other than 'live' during a job");
    if ((live->device < 0 && open_device(live, err) < 0) || pe_live_refresh(&live->end, err) < 0)
        return -1;
    while ((got = pe_live_take(&live->end, &record, err)) > 0) {
        if (handle_record(live, &record, err) < 0)
            return -1;
        live_feed(live);
    }
    return got;
}

/* ---- output ---- */

/* When a stream is cut, an incomplete character at its end is dropped. It must not have been sent by then. */
static size_t sendable(const struct capture *capture)
{
    return capture->kept.size - (capture->truncated ? 0 : capture_might_drop(capture));
}

static int send_stream(struct live *live, int which, const struct capture *capture, struct pe_error *err)
{
    const size_t there = sendable(capture);
    size_t room = 0;
    while (live->streamed[which] < there && (room = pe_live_room(&live->end)) > 0) {
        const size_t left = there - live->streamed[which], size = left < room ? left : room;
        if (pe_live_put(&live->end, which == OUT ? PE_LIVE_STDOUT : PE_LIVE_STDERR,
                        capture->kept.data + live->streamed[which], size, err) < 0)
            return -1;
        live->streamed[which] += size;
        live->ring_us = live->rang_us + RING_PAUSE_US;
    }
    return 0;
}

static void note_taken(struct live *live, uint64_t now)
{
    const uint64_t news = live->end.mine.taken - live->told;
    if (!news && !live->end.unpublished)
        return;
    live->end.unpublished = true;
    const uint64_t due = news >= TAKEN_URGENT ? live->rang_us + RING_PAUSE_US : now + TAKEN_DELAY_US;
    if (!live->ring_us || due < live->ring_us)
        live->ring_us = due;
}

uint64_t live_deadline(const struct live *live)
{
    return live->ring_us;
}

int live_stream(struct live *live, const struct capture *out, const struct capture *error,
                struct pe_error *err)
{
    if (live->device < 0)
        return 0;
    if (live->watched && (send_stream(live, OUT, out, err) < 0 || send_stream(live, ERR, error, err) < 0))
        return -1;
    const uint64_t now = pe_now_us();
    note_taken(live, now);
    if (!live->ring_us || now < live->ring_us)
        return 0;
    live->ring_us = 0;
    live->rang_us = now;
    live->told = live->end.mine.taken;
    return pe_live_publish(&live->end, err) < 0 ? -1 : serial_send(live->serial, "live", err);
}
