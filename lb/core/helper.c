/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and ending helper processes, and the socket to them. What a helper does is in its own file, as
 * store_keeper.c. */
#include "lb/core/helper.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/list.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    RESTART_MS = 1000,
    READ_SIZE = 64 * 1024,
    IN_KEPT_MAX = 1024 * 1024, /* a larger empty buffer is freed */
};

/* ---- sending ---- */

/* Send what is queued. Returns 1 if everything was sent, 0 if the socket is full, and -1 if the
 * helper is gone. */
static int send_queued(struct helper *helper)
{
    for (;;) {
        if (helper->sent == helper->sending.size) {
            struct pe_buf spare = helper->sending;
            helper->sending = helper->out;
            helper->out = spare;
            helper->out.size = helper->sent = 0;
        }
        if (!helper->sending.size)
            return 1;
        ssize_t n = send(helper->fd, helper->sending.data + helper->sent, helper->sending.size - helper->sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0)
            helper->sent += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        else if (errno != EINTR)
            return -1;
    }
}

/* Called when the socket can be written to. After an error, the reader is made to see the end of
 * the stream: it stops the helper and starts another one. */
static void flush(void *data)
{
    struct helper *helper = data;
    int sent = send_queued(helper);
    if (sent == 0)
        helper->loop->ops->await_writable(helper->watch, flush);
    else if (sent < 0)
        shutdown(helper->fd, SHUT_RDWR);
}

/* While something is being sent, flush() goes on by itself. */
void helper_flush(struct helper *helper)
{
    if (helper->watch && !helper->sending.size)
        flush(helper);
}

size_t helper_unsent(const struct helper *helper)
{
    return helper->out.size + helper->sending.size - helper->sent;
}

/* ---- receiving ---- */

/* Read what there is. Returns -1 at the end of the stream, or if it cannot be used. */
static int receive(struct helper *helper)
{
    struct pe_error err;
    if (pe_buf_reserve(&helper->in, READ_SIZE, &err) < 0)
        return -1;
    ssize_t n = recv(helper->fd, helper->in.data + helper->in.size, READ_SIZE, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
    helper->in.size += (size_t)n;
    return n == 0 ? -1 : 0;
}

static int take_messages(struct helper *helper)
{
    if (helper->ops->on_bytes(helper) < 0)
        return -1;
    if (helper->in.size == 0 && helper->in.capacity > IN_KEPT_MAX)
        pe_buf_free(&helper->in);
    return 0;
}

static void stop(struct helper *helper);
static void schedule_restart(struct helper *helper);

static void on_readable(void *data)
{
    struct helper *helper = data;
    if (receive(helper) == 0 && take_messages(helper) == 0)
        return;
    pe_log(PE_LOG_ERROR, "%s", helper->ops->lost);
    stop(helper);
    schedule_restart(helper);
}

/* ---- life ---- */

/* In the child. Of all open descriptors it keeps the socket and stderr: others may belong to
 * somebody who waits for this process to close them. */
static void become_helper(const char *const *arguments, int fd)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (dup2(nothing, 0) == 0 && dup2(nothing, 1) == 1 &&
        (fd == 3 ? fcntl(fd, F_SETFD, 0) : dup2(fd, 3)) >= 0 && close_range(4, UINT_MAX, 0) == 0)
        execv("/proc/self/exe", (char *const *)arguments);
    _exit(127);
}

int helper_start(struct helper *helper, struct pe_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return pe_fail_errno(err, "cannot make a socket pair for %s", helper->arguments[1]);
    pe_autoclose int ours = pair[0];
    pe_autoclose int theirs = pair[1];
    helper->pid = fork();
    if (helper->pid == 0)
        become_helper(helper->arguments, theirs);
    if (helper->pid < 0) {
        helper->pid = 0;
        return pe_fail_errno(err, "cannot fork %s", helper->arguments[1]);
    }
    helper->fd = pe_steal_fd(&ours);
    helper->watch = helper->loop->ops->watch(helper->loop, helper->fd, on_readable, helper);
    return 0;
}

/* Let the helper see the end of its input, and wait until it has closed its own end, as it does when it
 * exits. */
static void await_end(const struct helper *helper, int end_ms)
{
    struct pollfd poll_fd = {.fd = helper->fd, .events = POLLIN};
    uint64_t deadline_us = pe_now_us() + (uint64_t)end_ms * 1000;
    char rest[4096];
    shutdown(helper->fd, SHUT_WR);
    for (uint64_t now; (now = pe_now_us()) < deadline_us;) {
        int ready = poll(&poll_fd, 1, (int)((deadline_us - now) / 1000) + 1);
        ssize_t n = ready > 0 ? recv(helper->fd, rest, sizeof rest, MSG_DONTWAIT) : 1;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return;
    }
}

/* Whether there is no process any more. One that was killed still is one while the kernel waits for a disk
 * on its behalf, so nothing may wait for its end. */
static bool is_reaped(struct helper *helper)
{
    if (helper->pid && waitpid(helper->pid, NULL, WNOHANG) == 0)
        return false;
    helper->pid = 0;
    return true;
}

/* Forget what was under way, and end the process. It may be stuck, even if its end of the socket is closed.
 */
static void stop(struct helper *helper)
{
    if (helper->watch)
        helper->loop->ops->unwatch(helper->watch);
    helper->watch = NULL;
    helper->out.size = helper->sending.size = helper->sent = helper->in.size = 0;
    if (helper->pid)
        kill(helper->pid, SIGKILL);
    helper->ops->on_gone(helper);
}

/* There is at most one helper at a time: it may have a lock that the next one needs. */
static void on_restart(struct loop_timer *timer)
{
    struct helper *helper = pe_list_entry(timer, struct helper, restart);
    struct pe_error err;
    if (is_reaped(helper) && helper_start(helper, &err) == 0)
        return;
    if (!helper->pid)
        pe_log(PE_LOG_ERROR, "%s", err.message);
    schedule_restart(helper);
}

static void schedule_restart(struct helper *helper)
{
    helper->loop->ops->start_timer(helper->loop, &helper->restart, RESTART_MS);
}

void helper_init(struct helper *helper, struct loop *loop, const struct helper_ops *ops,
                 const char *const *arguments)
{
    *helper = (struct helper){
        .ops = ops, .loop = loop, .arguments = arguments, .restart = {.on_expire = on_restart}};
}

/* Answers are read and dropped, because a helper that cannot send its answer does not read, either. */
int helper_drain(struct helper *helper, int drain_ms)
{
    struct pollfd poll_fd = {.fd = helper->fd, .events = POLLIN | POLLOUT};
    int sent = 0;
    while ((sent = send_queued(helper)) == 0) {
        int ready = poll(&poll_fd, 1, drain_ms);
        if (ready == 0 || (ready < 0 && errno != EINTR))
            return -1;
        if (ready > 0 && (poll_fd.revents & ~POLLOUT) && receive(helper) < 0)
            return -1;
        helper->in.size = 0;
    }
    return sent;
}

void helper_close(struct helper *helper, int end_ms)
{
    helper->loop->ops->stop_timer(helper->loop, &helper->restart);
    bool runs = helper->watch;
    if (runs)
        await_end(helper, end_ms);
    stop(helper);
    if (runs && helper->pid) /* another balancer may want its lock */
        waitpid(helper->pid, NULL, 0);
    helper->pid = 0;
    pe_buf_free(&helper->out);
    pe_buf_free(&helper->sending);
    pe_buf_free(&helper->in);
}
