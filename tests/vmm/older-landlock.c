/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a command as if the kernel had an older version of Landlock: older-landlock VERSION COMMAND...
 * With version 0 it has none. Needs root, and a kernel with a newer version.
 *
 * landlock_create_ruleset(2) is the only call that says which version there is, and what a ruleset may
 * deny. A seccomp filter hands it to this process, which answers as the older kernel would, and lets the
 * real one make the rulesets that the older one would make. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* struct landlock_ruleset_attr of Linux 6.12: what each member may contain, from which version on
 * (https://docs.kernel.org/userspace-api/landlock.html). */
enum { FILES, NETWORK, SCOPE, MEMBERS };
static const struct {
    int version, member;
    uint64_t known;
} steps[] = {{1, FILES, 0x1fff}, {2, FILES, 0x3fff}, {3, FILES, 0x7fff},
             {4, NETWORK, 3},    {5, FILES, 0xffff}, {6, SCOPE, 3}};

static int hand_over_rulesets(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* What the older kernel says to a ruleset that denies these: an errno, or 0. */
static int error_for(int version, const uint64_t denied[MEMBERS])
{
    uint64_t known[MEMBERS] = {0};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (steps[i].version <= version)
            known[steps[i].member] = steps[i].known;
    for (int i = 0; i < MEMBERS; i++)
        if (denied[i] & ~known[i])
            return known[i] ? EINVAL : E2BIG; /* E2BIG: it does not know the member */
    return 0;
}

static void answer(int version, const struct seccomp_notif *call, struct seccomp_notif_resp *reply)
{
    uint64_t denied[MEMBERS] = {0};
    const struct iovec here = {denied, sizeof denied}, there = {(void *)call->data.args[0], sizeof denied};
    reply->id = call->id;
    if (version == 0)
        reply->error = -EOPNOTSUPP;
    else if (call->data.args[2] & LANDLOCK_CREATE_RULESET_VERSION)
        reply->val = version;
    else if (call->data.args[1] != sizeof denied ||
             process_vm_readv((pid_t)call->pid, &here, 1, &there, 1, 0) != (ssize_t)sizeof denied)
        reply->error = -EPROTO; /* not the structure that this program knows */
    else
        reply->error = -error_for(version, denied);
    if (!reply->error && !reply->val)
        reply->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
}

/* Answer until the process ends. Returns its exit status. */
static int serve(int listener, int version, pid_t pid)
{
    const int process = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd events[] = {{.fd = process, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
    while (process >= 0 && poll(events, 2, -1) > 0 && !events[0].revents) {
        struct seccomp_notif call = {0};
        struct seccomp_notif_resp reply = {0};
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
            continue; /* the process that called was killed */
        answer(version, &call, &reply);
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) < 0)
        return 2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: older-landlock VERSION COMMAND...\n", stderr);
        return 2;
    }
    const int version = (int)strtol(argv[1], NULL, 10);
    const long real = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (real < version) {
        fprintf(stderr, "older-landlock: the kernel has version %ld itself\n", real);
        return 2;
    }
    const int listener = hand_over_rulesets(); /* closed on exec */
    const pid_t pid = listener < 0 ? -1 : fork();
    if (pid > 0)
        return serve(listener, version, pid);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(argv[2], argv + 2);
    }
    perror("older-landlock");
    return 2;
}
