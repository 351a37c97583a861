/* SPDX-License-Identifier: Apache-2.0 */
/* fork and exec of VMM processes, their confinement, and their end. The command lines of VMMs are
 * in the drivers. */
#include "worker/vmm/process.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "worker/vmm/jail.h"
#include "worker/vmm/jail_root.h"
#include "worker/vmm/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
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

/* ---- in the child: between fork and exec it makes system calls only ---- */

/* Move a descriptor above all final numbers, so that renumbering overwrites none that is still
 * needed. */
static int move_above(int fd, int least)
{
    return fcntl(fd, F_DUPFD, least);
}

/* `parent`, a pidfd, gets the number after those of the list, and is closed by exec. Returns that
 * number. */
static int renumber_fds(const struct fd_list *list, int null, int log_fd, int parent)
{
    const size_t count = list->count;
    const int last = VMM_FD_FIRST + (int)count;
    int parked[VMM_FD_MAX];
    for (size_t i = 0; i < count; i++)
        if ((parked[i] = move_above(list->fds[i], 64)) < 0)
            return -1;
    int log = move_above(log_fd, 64), parked_parent = move_above(parent, 64);
    int parked_null = move_above(null, 64);
    if (log < 0 || parked_parent < 0 || parked_null < 0 || dup2(parked_null, 0) < 0 || dup2(log, 1) < 0 ||
        dup2(log, 2) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (dup2(parked[i], VMM_FD_FIRST + (int)i) < 0)
            return -1;
    if (dup3(parked_parent, last, O_CLOEXEC) < 0 || close_range(3, VMM_FD_FIRST - 1, 0) < 0 ||
        close_range((unsigned)last + 1, ~0u, 0) < 0)
        return -1;
    return last;
}

/* Nothing that this process executes can have a capability. With no_new_privs this holds in any case. */
static void drop_bounding_set(void)
{
    for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++)
        ;
}

/* A VMM that uses KVM keeps one group, that of /dev/kvm, so that it can open the device. */
static int drop_root(const struct vm_host *host)
{
    struct stat kvm;
    gid_t group = host->gid;
    if (host->accel == VM_ACCEL_KVM && stat("/dev/kvm", &kvm) == 0)
        group = kvm.st_gid;
    drop_bounding_set();
    if (geteuid() != 0)
        return 0;
    if (setgroups(group ? 1 : 0, &group) < 0 || setresgid(host->gid, host->gid, host->gid) < 0)
        return -1;
    return setresuid(host->uid, host->uid, host->uid);
}

/* A limit that the caller has already lowered further stays. */
static int lower_limit(int resource, rlim_t value)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
        return -1;
    if (limit.rlim_max > value)
        limit.rlim_max = value;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &limit);
}

/* A core dump has the memory of a job. With a limit of 0, the kernel writes none to a file, but still passes
 * it to the program that kernel.core_pattern names, which runs as root on the host. A limit of 1 byte stops
 * both (core(5), and do_coredump in the kernel's fs/coredump.c). */
static int forbid_core_dumps(void)
{
    static const struct rlimit one_byte = {1, 1};
    return setrlimit(RLIMIT_CORE, &one_byte) == 0 ? 0 : lower_limit(RLIMIT_CORE, 0);
}

/* Bound on a file that a VMM writes, apart from the size of its RAM. If its addresses are randomized, User
 * Mode Linux adds to the file of its RAM the distance of its heap from its program, up to 1 GiB. */
#define FILE_MIB 1088

/* A user has the VMMs of a slot, or those with which the template server makes templates. */
#define VMMS_OF_A_USER 8

/* There is no limit of the address space: it has little to do with memory, which the cgroup limits. */
static int lower_limits(const struct vmm_process_needs *needs)
{
    rlim_t file_bytes = ((rlim_t)needs->memory_mib + FILE_MIB) << 20;
    if (forbid_core_dumps() < 0 || lower_limit(RLIMIT_MSGQUEUE, 0) < 0 ||
        lower_limit(RLIMIT_MEMLOCK, 65536) < 0 ||
        (!needs->writes_disks && lower_limit(RLIMIT_FSIZE, file_bytes) < 0))
        return -1;
    /* Without a user of its own, a VMM's processes are counted together with those of its worker. */
    if (geteuid() == 0 && lower_limit(RLIMIT_NPROC, (rlim_t)VMMS_OF_A_USER * needs->processes) < 0)
        return -1;
    return lower_limit(RLIMIT_NOFILE, needs->descriptors ? needs->descriptors : 1024);
}

/* Stay on the CPU `wanted`, or on the first that the caller may use, if that is not among them any more. */
static int stay_on_one_cpu(uint32_t wanted)
{
    cpu_set_t allowed, chosen;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return -1;
    size_t cpu = wanted;
    if (wanted >= CPU_SETSIZE || !CPU_ISSET(wanted, &allowed))
        for (cpu = 0; cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &allowed); cpu++)
            ;
    CPU_ZERO(&chosen);
    CPU_SET(cpu, &chosen);
    return sched_setaffinity(0, sizeof chosen, &chosen);
}

static int meet_needs(const struct vm_host *host, const struct vmm_process_needs *needs)
{
    if (needs->one_cpu && stay_on_one_cpu(host->cpu) < 0)
        return -1;
    if (needs->fixed_addresses)
        personality(ADDR_NO_RANDOMIZE); /* Docker does not allow it; the VMM has to work without */
    return 0;
}

/* In a PID namespace of its own a process does not see its parent, so getppid(2) does not help. */
static int has_ended(int pidfd)
{
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    return poll(&ended, 1, 0) != 0;
}

/* What a VMM inherits in addition to the descriptors of its driver, until it is executed. */
struct belongings {
    int parent; /* pidfd of the process that starts it */
    int null;   /* /dev/null */
    int folder; /* from jail_root_take; -1: it has none, or keeps the host's root directory */
    const struct cgroup_entry *entry;
};

/* Move to the cgroups, the root directory and the namespaces of the jail. */
static int enter_jail(const struct vm_host *host, const struct vm *vm, const struct belongings *belongings)
{
    if (cgroup_enter(belongings->entry) < 0)
        return -1;
    if (host->jail->root >= 0 &&
        jail_root_enter(host->jail->root, host->run_dir, belongings->folder, vm->run_dir) < 0)
        return -1;
    if (host->jail->empty_root >= 0 && jail_root_enter_empty(host->jail->empty_root) < 0)
        return -1;
    if ((host->jail->namespaces & CLONE_NEWUTS) && jail_hide_host_name() < 0)
        return -1;
    umask(077);
    return chdir("/");
}

static int become_vmm(const struct vm_host *host, const struct fd_list *fds,
                      const struct vmm_process_needs *needs, const struct vm *vm,
                      const struct belongings *belongings)
{
    sigset_t none;
    sigemptyset(&none);
    if (enter_jail(host, vm, belongings) < 0)
        return -1;
    int parent = renumber_fds(fds, belongings->null, vm->log_fd, belongings->parent);
    if (parent < 0 || lower_limits(needs) < 0 || setsid() < 0 || meet_needs(host, needs) < 0)
        return -1;
    /* The death signal is set after the change of user, which clears it. */
    if (drop_root(host) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -1;
    /* The parent may have died before the death signal was set. */
    if (has_ended(parent))
        return -1;
    const struct landlock_grants grants = {.files = &host->jail->files,
                                           .own_root = host->jail->root >= 0 || host->jail->empty_root >= 0,
                                           .folder = vm->run_dir,
                                           .first = VMM_FD_FIRST,
                                           .last = VMM_FD_FIRST + (int)fds->count - 1};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_confine(&grants) < 0)
        return -1;
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Returns only if that fails. */
static void execute(const struct vmm_process_needs *needs, char *const *argv)
{
    static char *const empty[] = {NULL};
    char *const *environment = needs->environment ? needs->environment : empty;
    if (needs->program)
        syscall(SYS_execveat, needs->program, "", argv, environment, AT_EMPTY_PATH);
    else
        execve(argv[0], argv, environment);
}

/* ---- in the parent ---- */

/* fork(2), into new namespaces, and into the cgroup if that is one of v2. The mount namespace is made by
 * jail_root_enter if the jail has a root directory. */
static pid_t fork_vmm(const struct jail *jail, const struct cgroup_entry *entry)
{
    int flags = jail->root >= 0 ? jail->namespaces & ~CLONE_NEWNS : jail->namespaces;
    if (entry->unified < 0)
        return (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0);
    const struct clone_args args = {.flags = (uint64_t)flags | CLONE_INTO_CGROUP,
                                    .exit_signal = SIGCHLD,
                                    .cgroup = (uint64_t)entry->unified};
    return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

/* An intact VMM never reaches these limits. A clone can need each page of its RAM twice: for the
 * first write to a page that is a hole in the template, the kernel fills the hole as well, and both pages
 * count. The rest is for the VMM itself, translations of code, page tables and devices. */
#define MEMORY_MIB(ram_mib) (2ull * (ram_mib) + 1024)

static int make_cgroup(const struct vm_host *host, const struct vmm_process_needs *needs, struct vm *vm,
                       struct cgroup_entry *entry, struct pe_error *err)
{
    const struct cgroup_limits limits = {.memory_bytes = MEMORY_MIB(needs->memory_mib) << 20,
                                         .processes = needs->processes,
                                         .cpus = needs->cpus + 1};
    vm->jail = host->jail;
    if (cgroup_make(&host->jail->cgroups, &limits, vm->cgroup, err) < 0)
        return -1;
    return cgroup_entry_open(&host->jail->cgroups, vm->cgroup, entry, err);
}

int vmm_process_start(const struct vm_host *host, char *const *argv, const struct fd_list *fds,
                      const struct vmm_process_needs *needs, struct vm *vm, struct pe_error *err)
{
    if (!host->jail)
        return pe_fail(err, PE_ERR_INTERNAL, "there is no jail for %s; vm_host_confine makes it", argv[0]);
    struct syscall_filter filter = {.count = 0};
    if (needs->syscalls &&
        syscall_filter_make(syscalls_for_program(argv[0], needs->syscalls), &filter, err) < 0)
        return -1;
    const bool takes_folder = host->jail->root >= 0 && vm->run_dir[0];
    pe_autoclose int parent = pidfd_open_of(getpid());
    if (parent < 0)
        return pe_fail_errno(err, "cannot open a pidfd of the worker for %s", argv[0]);
    pe_autoclose int folder = takes_folder ? jail_root_take(vm->run_dir) : -1;
    pe_autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0)
        return pe_fail_errno(err, "cannot open /dev/null");
    if (takes_folder && folder < 0)
        return pe_fail_errno(err, "cannot take %s into the root of a VMM", vm->run_dir);
    autoentry struct cgroup_entry entry = CGROUP_ENTRY_NONE;
    if (make_cgroup(host, needs, vm, &entry, err) < 0)
        return -1;
    const struct belongings belongings = {.parent = parent, .null = null, .folder = folder, .entry = &entry};
    pid_t pid = fork_vmm(host->jail, &entry);
    if (pid < 0)
        return pe_fail_errno(err, "cannot fork %s", argv[0]);
    if (pid == 0) {
        /* What is printed from here on is in the VMM's log, where its owner looks for the reason. */
        if (dup2(vm->log_fd, STDERR_FILENO) >= 0 && become_vmm(host, fds, needs, vm, &belongings) == 0 &&
            syscall_filter_install(&filter) == 0)
            execute(needs, argv);
        dprintf(STDERR_FILENO, "cannot start %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    vm->pid = pid;
    vm->pidfd = pidfd_open_of(pid);
    if (vm->pidfd >= 0)
        return 0;
    return pe_fail_errno(err, "cannot open a pidfd for %s", argv[0]);
}

void vmm_process_kill(struct vm *vm)
{
    const int status = vm->pid > 0 ? pe_child_kill(vm->pid) : 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        pe_log(PE_LOG_WARN,
               "the kernel ended the VMM with process %d, because it made a system call that "
               "VMMs of its kind do not need; its guest has taken it over, or the list of calls is wrong",
               (int)vm->pid);
    vm->pid = -1;
}

/* Bound on the time for reporting a version. On a busy host an emulated program needs about a
 * second. */
#define QUERY_MS 20000

/* Read `fd` to its end and keep what fits into `text`. Returns 0 if that takes too long. */
static int read_answer(int fd, char *text, size_t size)
{
    size_t got = 0;
    uint64_t deadline_us = pe_now_us() + QUERY_MS * 1000ull;
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        uint64_t now = pe_now_us();
        int ready = now < deadline_us ? poll(&wait, 1, (int)((deadline_us - now) / 1000) + 1) : 0;
        if (ready == 0)
            return 0;
        if (ready < 0)
            continue; /* a signal */
        char rest[512];
        ssize_t n = got + 1 < size ? read(fd, text + got, size - 1 - got) : read(fd, rest, sizeof rest);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += got + 1 < size ? (size_t)n : 0;
    }
    text[got] = '\0';
    return 1;
}

static void become_queried(const char *program, const char *argument, int output) __attribute__((noreturn));
static void become_queried(const char *program, const char *argument, int output)
{
    const char *const argv[] = {program, argument, NULL};
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0 && dup2(null, 0) >= 0 && dup2(output, 1) >= 0 && dup2(output, 2) >= 0 &&
        close_range(3, ~0u, 0) == 0)
        execv(program, (char *const *)(uintptr_t)argv);
    _exit(127);
}

int vmm_process_ask(const char *program, const char *argument, char *text, size_t size, struct pe_error *err)
{
    int ends[2];
    if (access(program, X_OK) < 0)
        return pe_fail(err, PE_ERR_NOT_FOUND, "there is no %s", program);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return pe_fail_errno(err, "cannot create a pipe for %s", program);
    pid_t pid = fork();
    if (pid == 0)
        become_queried(program, argument, ends[1]);
    close(ends[1]);
    int answered = pid > 0 && read_answer(ends[0], text, size);
    close(ends[0]);
    if (pid < 0)
        return pe_fail_errno(err, "cannot fork %s", program);
    const int status = answered ? pe_child_await(pid) : pe_child_kill(pid);
    if (!answered)
        return pe_fail(err, PE_ERR_TIMEOUT, "`%s %s` did not finish", program, argument);
    if (status != 0 || !text[0])
        return pe_fail(err, PE_ERR_INTERNAL, "`%s %s` failed", program, argument);
    return 0;
}

int vmm_process_query(const char *program, const char *argument, char *line, size_t size,
                      struct pe_error *err)
{
    if (vmm_process_ask(program, argument, line, size, err) < 0)
        return -1;
    line[strcspn(line, "\r\n")] = '\0';
    return 0;
}
