/* SPDX-License-Identifier: Apache-2.0 */
/* Making containers with crun, and handing programs to the shim. guest-init/supervise.c watches the
 * programs. */
#include "guest-init/container.h"

#include "base/cleanup.h"
#include "base/fd_message.h"
#include "base/io.h"
#include "guest-init/cgroup.h"
#include "guest-init/crun.h"
#include "guest-init/job_mounts.h"
#include "guest-init/layout.h"
#include "guest-init/root_files.h"
#include "guest-init/shim_record.h"
#include "guest-init/thrash.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Time limits for crun, and for a container that was killed. They are long because a guest may be
 * emulated on a busy machine. */
#define START_TIMEOUT_US (30 * 1000000ull)
#define END_TIMEOUT_MS 10000

/* Bytes of crun's output that are kept. */
#define CRUN_TEXT_MAX 4096u

const struct container_kind container_of_job = {GUEST_JOB "/config.json", GUEST_CGROUP_JOB};
const struct container_kind container_of_prewarm = {GUEST_JOB "/prewarm.json", GUEST_CGROUP_PREWARM};

static int pidfd_of(pid_t pid, struct pe_error *err)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    return pidfd >= 0 ? pidfd : pe_fail_errno(err, "cannot open a pidfd of process %d", (int)pid);
}

static void forget(struct container *container)
{
    capture_free(&container->out);
    capture_free(&container->err);
    pe_cleanup_close(&container->shim_fd);
    pe_cleanup_close(&container->channel);
    pe_cleanup_close(&container->pressure);
    cgroup_counters_close(&container->counters);
    *container = CONTAINER_NONE;
}

/* The write ends of the pipes are closed at the end of this function, so that only the container
 * has them. */
static int spawn_crun(struct container *container, pid_t *crun, struct pe_error *err)
{
    pe_autoclose int out = -1;
    pe_autoclose int error = -1;
    pe_autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0)
        return pe_fail_errno(err, "cannot open /dev/null");
    if (capture_open(&container->out, "stdout", CRUN_TEXT_MAX, &out, err) < 0 ||
        capture_open(&container->err, "stderr", CRUN_TEXT_MAX, &error, err) < 0)
        return -1;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return pe_fail_errno(err, "cannot make a channel to the shim");
    container->channel = pair[0];
    pe_autoclose int theirs = pair[1];
    static const int on = 1;
    if (setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ||
        fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
        return pe_fail_errno(err, "cannot make a channel to the shim");
    const struct crun_descriptors fds = {.in = null, .out = out, .err = error, .channel = theirs};
    return crun_spawn(container->kind->config, &fds, crun, err);
}

/* The first line on stderr says what is wrong. */
static int crun_failed(struct container *container, struct pe_error *err)
{
    struct pe_error ignored;
    while (capture_read(&container->err, &ignored) > 0)
        ;
    struct pe_cursor text = {.at = container->err.kept.data, .left = container->err.kept.size};
    size_t length = 0;
    const uint8_t *line = pe_cursor_read_until(&text, '\n', &length);
    if (!line || length == 0)
        return pe_fail(err, PE_ERR_INTERNAL, "crun ended without a container and without a message");
    return pe_fail(err, PE_ERR_INTERNAL, "crun: %.*s", (int)length, (const char *)line);
}

/* crun runs with --detach, so it ends when the container is complete. */
static int await_crun(struct container *container, pid_t crun, struct pe_error *err)
{
    pe_autoclose int crun_fd = pidfd_of(crun, err);
    if (crun_fd < 0)
        return -1;
    struct pollfd wait = {.fd = crun_fd, .events = POLLIN};
    int ready = -1;
    while ((ready = poll(&wait, 1, START_TIMEOUT_US / 1000)) < 0 && errno == EINTR)
        ;
    if (ready <= 0)
        kill(crun, SIGKILL);
    int status = 0;
    if (waitpid(crun, &status, 0) < 0)
        return pe_fail_errno(err, "cannot wait for crun");
    if (ready <= 0)
        return pe_fail(err, PE_ERR_LOST, "crun did not make the container in time");
    return status == 0 ? 0 : crun_failed(container, err);
}

int container_receive(const struct container *container, struct shim_record *record, struct ucred *sender)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control = {0};
    struct iovec vector = {.iov_base = record, .iov_len = sizeof *record};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(container->channel, &message, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (n != (ssize_t)sizeof *record || !header || header->cmsg_type != SCM_CREDENTIALS ||
        header->cmsg_len != CMSG_LEN(sizeof *sender))
        return -1; /* the other end is closed; pe-shim sends nothing but records */
    memcpy(sender, CMSG_DATA(header), sizeof *sender);
    return 1;
}

/* The process that will become the program reports that it waits. */
static int await_shim(struct container *container, struct pe_error *err)
{
    static const struct cgroup_limits no_limits;
    struct shim_record record = {0};
    struct ucred sender = {.pid = -1};
    struct pollfd wait = {.fd = container->channel, .events = POLLIN};
    if (poll(&wait, 1, START_TIMEOUT_US / 1000) <= 0)
        return pe_fail(err, PE_ERR_LOST, "pe-shim does not report that it waits for a program");
    if (container_receive(container, &record, &sender) <= 0 || record.kind != SHIM_WAITING)
        return crun_failed(container, err);
    container->user = sender.uid;
    if (cgroup_limit_to_container(container->kind->cgroup, err) < 0)
        return -1;
    return cgroup_enter(container->kind->cgroup, GUEST_CGROUP_PROGRAM, sender.pid, &no_limits, err);
}

static int find_shim(struct container *container, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    if (pe_read_file(AT_FDCWD, CRUN_PID_FILE, 32, &text, err) < 0 || pe_buf_append(&text, "", 1, err) < 0)
        return -1;
    container->shim = (pid_t)strtol((const char *)text.data, NULL, 10);
    container->shim_fd = pidfd_of(container->shim, err);
    return container->shim_fd < 0 ? -1 : 0;
}

/* Drop what crun printed about a complete container: it is not output of the program. */
static int forget_crun_text(struct container *container, struct pe_error *err)
{
    struct capture *captures[] = {&container->out, &container->err};
    for (size_t i = 0; i < 2; i++) {
        int more = 1;
        while (more > 0)
            more = capture_read(captures[i], err);
        if (more < 0)
            return -1;
        captures[i]->kept.size = 0;
        captures[i]->truncated = false;
    }
    return 0;
}

/* job_mounts_attach makes the folders of the job as well, if that fails here. */
static void complete_root(pid_t shim)
{
    static const char *const folders[] = {"input", "work", "output"};
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/root", (int)shim);
    pe_autoclose int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return;
    root_files_complete(root);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        int made = mkdirat(root, folders[i], 0755);
        (void)made;
    }
}

int container_start(struct container *container, const struct container_kind *kind, struct pe_error *err)
{
    struct pe_error ignored;
    pid_t crun = -1;
    *container = CONTAINER_NONE;
    container->kind = kind;
    if (spawn_crun(container, &crun, err) == 0 && await_crun(container, crun, err) == 0 &&
        find_shim(container, err) == 0 && await_shim(container, err) == 0 &&
        forget_crun_text(container, err) == 0) {
        complete_root(container->shim);
        container->pressure = thrash_watch(kind->cgroup);
        cgroup_counters_open(&container->counters, kind->cgroup, GUEST_CGROUP_PROGRAM);
        return 0;
    }
    int discarded = container_discard(container, &ignored);
    (void)discarded; /* the first error is the one to report */
    return -1;
}

static int open_stdin(struct pe_error *err)
{
    int fd = open(GUEST_JOB "/stdin", O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? pe_fail_errno(err, "cannot open the job's stdin") : fd;
}

int container_give_program(struct container *container, const struct shim_start *start, int input,
                           struct pe_error *err)
{
    pe_autoclose int file = input >= 0 ? -1 : open_stdin(err);
    const int in = input >= 0 ? input : file;
    pe_autoclose int program = in < 0 ? -1 : open(GUEST_JOB "/program", O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return -1;
    if (program < 0)
        return pe_fail_errno(err, "cannot open the job's program");
    if (job_mounts_attach(container->shim_fd, err) < 0)
        return -1;
    const int given[SHIM_GIVEN_COUNT] = {[SHIM_GIVEN_STDIN] = in, [SHIM_GIVEN_PROGRAM] = program};
    return pe_fd_message_send(container->channel, start, sizeof *start, given, SHIM_GIVEN_COUNT) ==
                   (ssize_t)sizeof *start
               ? 0
               : pe_fail_errno(err, "cannot send the program to pe-shim");
}

/* PID 1 of a PID namespace ends only when everything else in it has ended (pid_namespaces(7)). */
static int await_end(const struct container *container, struct pe_error *err)
{
    struct pollfd wait = {.fd = container->shim_fd, .events = POLLIN};
    if (container->shim_fd >= 0 && poll(&wait, 1, END_TIMEOUT_MS) <= 0)
        return pe_fail(err, PE_ERR_INTERNAL, "the container does not end, even after SIGKILL");
    return 0;
}

int container_discard(struct container *container, struct pe_error *err)
{
    int failed = 0;
    if (container->kind)
        failed = cgroup_kill(container->kind->cgroup, err) < 0 || await_end(container, err) < 0 ? -1 : 0;
    forget(container);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    return failed;
}
