/* SPDX-License-Identifier: Apache-2.0 */
/* Entering a user namespace. There is no way back, so it is tried in another process first: some hosts let
 * a process make one, but then give it no capabilities in it. */
#include "worker/vmm/user_namespace.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static int write_text(const char *path, const char *text)
{
    pe_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t length = (ssize_t)strlen(text);
    return fd >= 0 && write(fd, text, (size_t)length) == length ? 0 : -1;
}

/* The user and the group keep their numbers. All others do not exist in the namespace. The mount namespace
 * allows to take folders of the host to VMMs; what the host mounts later appears in it as well. */
static int enter(void)
{
    char users[64], groups[64];
    snprintf(users, sizeof users, "%u %u 1\n", (unsigned)geteuid(), (unsigned)geteuid());
    snprintf(groups, sizeof groups, "%u %u 1\n", (unsigned)getegid(), (unsigned)getegid());
    if (unshare(CLONE_NEWUSER) < 0)
        return -1;
    /* Without the first line, the kernel refuses the last one. */
    if (write_text("/proc/self/setgroups", "deny") < 0 || write_text("/proc/self/uid_map", users) < 0)
        return -1;
    return write_text("/proc/self/gid_map", groups) < 0 ? -1 : unshare(CLONE_NEWNS);
}

/* Whether the capabilities are real: making a mount needs one. */
static int try_it(void)
{
    if (enter() < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    return mount("none", "/tmp", "tmpfs", 0, NULL);
}

int user_namespace_enter(struct pe_error *err)
{
    int status = 0;
    if (geteuid() == 0)
        return 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(try_it() < 0 ? errno : 0);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    errno = pid < 0 ? errno : WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
    if (errno)
        return pe_fail(err, PE_ERR_INVALID, "user %u may not use user namespaces here: %s",
                       (unsigned)geteuid(), strerror(errno));
    return enter() == 0 ? 0 : pe_fail_errno(err, "cannot enter a user namespace");
}
