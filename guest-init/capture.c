/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a pipe that a hostile program writes to. Memory is bounded, and no call waits for the
 * program. */
#include "guest-init/capture.h"

#include "base/utf8.h"
#include "proto/combined.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>
#include <unistd.h>

#define READ_SIZE (64u * 1024u)

/* More than the default of 64 KiB, so that there are fewer switches between the program and its
 * reader. */
#define PIPE_SIZE (256 * 1024)

static uint8_t last_read[READ_SIZE];

void capture_prepare(void)
{
    *(volatile uint8_t *)last_read = 0;
}

int capture_open(struct capture *capture, const char *name, size_t limit, int *write_end,
                 struct pe_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return pe_fail_errno(err, "cannot make a pipe for %s", name);
    *capture = (struct capture){.name = name, .fd = ends[0], .limit = limit};
    *write_end = ends[1];
    fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller pipe works as well */
    /* Only this end. The other one belongs to the program, and many programs do not expect
     * O_NONBLOCK. */
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
        return pe_fail_errno(err, "cannot set the pipe for %s non-blocking", name);
    return 0;
}

static void close_pipe(struct capture *capture)
{
    if (capture->fd >= 0)
        close(capture->fd);
    capture->fd = -1;
}

int capture_combine(struct capture *capture, int events, struct pe_buf *combined, struct pe_error *err)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = capture};
    capture->combined = combined;
    if (fcntl(capture->fd, F_SETPIPE_SZ, PIPE_BUF) < 0 ||
        epoll_ctl(events, EPOLL_CTL_ADD, capture->fd, &event) < 0)
        return pe_fail_errno(err, "cannot prepare the pipe for %s for one write at a time", capture->name);
    return 0;
}

int capture_use_terminal(struct capture *capture, int fd, struct pe_error *err)
{
    close_pipe(capture);
    capture->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return capture->fd < 0 ? pe_fail_errno(err, "cannot read %s from a terminal", capture->name) : 0;
}

int capture_end_combined(struct capture *capture, struct pe_error *err)
{
    return capture->combined ? pe_combined_finish(capture->combined, &capture->kept, &capture->held, err) : 0;
}

/* Drop the beginning of a character at the end, so that text stays text when it is cut. Other bytes
 * lose at most three more. */
static void cut(struct capture *capture)
{
    capture->truncated = true;
    capture->held = 0;
    capture->kept.size -= pe_utf8_unfinished_size(capture->kept.data, capture->kept.size);
    fcntl(capture->fd, F_SETPIPE_SZ, PIPE_SIZE); /* the order of what is dropped does not matter */
}

/* How often a byte that is kept is in the output of the job. */
static size_t copies(const struct capture *capture)
{
    return capture->combined ? 2 : 1;
}

static size_t room_of(const struct capture *capture)
{
    size_t own = capture->limit - capture->kept.size;
    size_t common = capture->budget ? *capture->budget / copies(capture) : own;
    return own < common ? own : common;
}

/* Keep bytes up to the limit. */
static int keep_bytes(struct capture *capture, const uint8_t *bytes, size_t size, struct pe_error *err)
{
    if (capture->truncated)
        return 0;
    const size_t room = room_of(capture), added = size < room ? size : room;
    if (capture->budget)
        *capture->budget -= added * copies(capture);
    if (pe_buf_append(&capture->kept, bytes, added, err) < 0 ||
        (capture->combined &&
         pe_combined_append(capture->combined, &capture->kept, added, &capture->held, err) < 0))
        return -1;
    if (size > room)
        cut(capture);
    return 0;
}

size_t capture_might_drop(const struct capture *capture)
{
    enum { CHARACTER_MAX = 4 };
    return room_of(capture) < CHARACTER_MAX ? pe_utf8_unfinished_size(capture->kept.data, capture->kept.size)
                                            : 0;
}

int capture_read(struct capture *capture, struct pe_error *err)
{
    ssize_t n = capture->fd < 0 ? 0 : read(capture->fd, last_read, sizeof last_read);
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return 0;
        if (errno != EIO) /* that of a terminal which nobody has open any more */
            return pe_fail_errno(err, "cannot read %s", capture->name);
    }
    if (n <= 0) {
        close_pipe(capture);
        return 0;
    }
    return keep_bytes(capture, last_read, (size_t)n, err) < 0 ? -1 : 1;
}

void capture_free(struct capture *capture)
{
    close_pipe(capture);
    pe_buf_free(&capture->kept);
}
