/* fork and exec of VMM processes, and their end. Knows nothing about any VMM's command line. */
#include "worker/vmm/process.h"

#include "base/cleanup.h"
#include "worker/vmm/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int pidfd_open_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* ---- in the child: between fork and exec, system calls only ---- */

/* Away from where they go to, so that no renumbering overwrites a descriptor that is still to be moved. */
static int move_above(int fd, int least)
{
    return fcntl(fd, F_DUPFD, least);
}

static int renumber_fds(const int *fds, size_t count, int log_fd)
{
    int parked[VMM_FD_MAX];
    for (size_t i = 0; i < count; i++)
        if ((parked[i] = move_above(fds[i], 64)) < 0)
            return -1;
    int log = move_above(log_fd, 64);
    int null = open("/dev/null", O_RDONLY);
    if (log < 0 || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (dup2(parked[i], VMM_FD_FIRST + (int)i) < 0)
            return -1;
    if (close_range(3, VMM_FD_FIRST - 1, 0) < 0)
        return -1;
    return close_range(VMM_FD_FIRST + (unsigned)count, ~0u, 0);
}

/* The one group that helps a VMM: the one that may open /dev/kvm. */
static int drop_root(const struct vm_host *host)
{
    struct stat kvm;
    gid_t group = host->gid;
    if (stat("/dev/kvm", &kvm) == 0)
        group = kvm.st_gid;
    if (geteuid() != 0)
        return 0;
    if (setgroups(group ? 1 : 0, &group) < 0 || setresgid(host->gid, host->gid, host->gid) < 0)
        return -1;
    return setresuid(host->uid, host->uid, host->uid);
}

static int become_vmm(const struct vm_host *host, const int *fds, size_t fd_count, const struct vm *vm,
                      pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    const struct rlimit no_core = {0, 0};
    if (renumber_fds(fds, fd_count, vm->log_fd) < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0 || setsid() < 0)
        return -1;
    /* After the change of user, which would clear it. */
    if (drop_root(host) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -1;
    /* The parent may have died before the line above. */
    if (getppid() != parent)
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_confine_writes(vm->run_dir) < 0)
        return -1;
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- in the parent ---- */

int vmm_process_start(const struct vm_host *host, char *const *argv, const int *fds, size_t fd_count,
                      struct vm *vm, struct pe_error *err)
{
    if (fd_count > VMM_FD_MAX)
        return pe_fail(err, PE_ERR_INTERNAL, "a VMM with %zu descriptors", fd_count);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return pe_fail_errno(err, "fork for %s", argv[0]);
    if (pid == 0) {
        if (become_vmm(host, fds, fd_count, vm, parent) == 0)
            execv(argv[0], argv);
        dprintf(STDERR_FILENO, "starting %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    vm->pid = pid;
    vm->pidfd = pidfd_open_of(pid);
    if (vm->pidfd >= 0)
        return 0;
    return pe_fail_errno(err, "pidfd of %s", argv[0]);
}

void vmm_process_kill(struct vm *vm)
{
    if (vm->pid > 0) {
        kill(vm->pid, SIGKILL);
        while (waitpid(vm->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    vm->pid = -1;
}

int vmm_process_ask(const char *program, const char *argument, char *line, size_t size, struct pe_error *err)
{
    char command[512];
    /* timeout(1) sees to a program that hangs; the path is the operator's own. */
    int length =
        snprintf(command, sizeof command, "exec timeout 10 '%s' %s 2>&1 </dev/null", program, argument);
    if (length < 0 || (size_t)length >= sizeof command || strchr(program, '\''))
        return pe_fail(err, PE_ERR_INVALID, "%s: not a path that can be used", program);
    if (access(program, X_OK) < 0)
        return pe_fail(err, PE_ERR_NOT_FOUND, "there is no %s", program);
    FILE *output = popen(command, "re");
    if (!output)
        return pe_fail_errno(err, "running %s", program);
    char *got = fgets(line, (int)size, output);
    while (fgetc(output) != EOF)
        ;
    if (pclose(output) != 0 || !got)
        return pe_fail(err, PE_ERR_INTERNAL, "%s %s fails", program, argument);
    line[strcspn(line, "\r\n")] = '\0';
    return 0;
}
