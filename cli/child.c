/* SPDX-License-Identifier: Apache-2.0 */
/* fork, exec and wait. What the programs do is cli/service.c's concern. */
#include "cli/child.h"

#include "base/cleanup.h"
#include "base/home.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define STOP_TIMEOUT_US 5000000u
#define LOG_LINES 20
#define LOG_BYTES 16384

/* ---- in the child: between fork and exec, system calls only ---- */

static int set_up(int inherit_fd, int log_fd, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    const struct sigaction usual = {.sa_handler = SIG_DFL};
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
        return -1;
    if (log_fd >= 0 && dup2(log_fd, STDERR_FILENO) < 0)
        return -1;
    /* Ignored signals stay ignored across exec(2), so SIGPIPE is reset here. */
    if (sigaction(SIGPIPE, &usual, NULL) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return -1;
    if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -1;
    /* The parent may have died before the prctl call. */
    if (getppid() != parent || close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return -1;
    return inherit_fd < 0 ? 0 : fcntl(inherit_fd, F_SETFD, 0);
}

/* ---- in the parent ---- */

int child_start(struct child *child, const char *name, const char **argv, int inherit_fd, bool is_verbose,
                struct pe_error *err)
{
    char path[PATH_MAX];
    *child = (struct child){.name = name, .log_fd = -1};
    if (pe_home_program(name, path, sizeof path, err) < 0)
        return -1;
    if (access(path, X_OK) < 0)
        return pe_fail_errno(err, "cannot start %s, which is needed to run without a server: %s", name, path);
    if (!is_verbose && (child->log_fd = memfd_create(name, MFD_CLOEXEC)) < 0)
        return pe_fail_errno(err, "cannot create a memory file for the log of %s", name);
    argv[0] = path;
    pid_t parent = getpid();
    child->pid = fork();
    if (child->pid < 0) {
        child->pid = 0;
        return pe_fail_errno(err, "cannot fork for %s", name);
    }
    if (child->pid == 0) {
        if (set_up(inherit_fd, child->log_fd, parent) == 0)
            execv(path, (char *const *)argv);
        dprintf(STDERR_FILENO, "cannot start %s: %s\n", path, strerror(errno));
        _exit(127);
    }
    return 0;
}

static bool has_exited(struct child *child)
{
    if (child->pid > 0 && waitpid(child->pid, &child->status, WNOHANG) == child->pid)
        child->pid = 0;
    return child->pid == 0;
}

int child_check(struct child *child, struct pe_error *err)
{
    if (!has_exited(child))
        return 0;
    if (WIFSIGNALED(child->status))
        return pe_fail(err, PE_ERR_LOST, "%s was killed: %s", child->name,
                       strsignal(WTERMSIG(child->status)));
    return pe_fail(err, PE_ERR_LOST, "%s exited with code %d", child->name, WEXITSTATUS(child->status));
}

void child_show_log(const struct child *child)
{
    char text[LOG_BYTES];
    off_t end = child->log_fd < 0 ? 0 : lseek(child->log_fd, 0, SEEK_END);
    off_t start = end > LOG_BYTES ? end - LOG_BYTES : 0;
    ssize_t n = end > 0 ? pread(child->log_fd, text, (size_t)(end - start), start) : 0;
    if (n <= 0)
        return;
    const char *from = text + n;
    for (int lines = 0; from > text; from--)
        if (from[-1] == '\n' && from != text + n && ++lines == LOG_LINES)
            break;
    fprintf(stderr, "pe-run: last lines of the log of %s:\n%.*s%s", child->name, (int)(text + n - from), from,
            text[n - 1] == '\n' ? "" : "\n");
}

static void signal_all(struct child *children, size_t count, int number)
{
    for (size_t i = 0; i < count; i++)
        if (!has_exited(&children[i]))
            kill(children[i].pid, number);
}

static bool all_exited(struct child *children, size_t count)
{
    bool exited = true;
    for (size_t i = 0; i < count; i++)
        exited &= has_exited(&children[i]);
    return exited;
}

void children_stop(struct child *children, size_t count)
{
    uint64_t deadline = pe_now_us() + STOP_TIMEOUT_US;
    signal_all(children, count, SIGTERM);
    while (!all_exited(children, count) && pe_now_us() < deadline)
        poll(NULL, 0, 10);
    signal_all(children, count, SIGKILL);
    for (size_t i = 0; i < count; i++) {
        while (children[i].pid > 0 && waitpid(children[i].pid, &children[i].status, 0) < 0 && errno == EINTR)
            ;
        children[i].pid = 0;
        pe_cleanup_close(&children[i].log_fd);
        children[i].log_fd = -1;
    }
}
