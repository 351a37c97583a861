/* SPDX-License-Identifier: Apache-2.0 */
/* What a slot and the maker of a template keep of the worker's rights. How rights are given up is in
 * worker/vmm/rights.c. */
#include "worker/slot_rights.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "worker/vmm/rights.h"
#include "worker/vmm/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FCNTL(command) SYSCALL_ALLOW_IF(fcntl, SYSCALL_INT(1, command))

/* Standard error may be a file that the whole worker writes its log to. It is not cut, nor written to in
 * another place than its end. */
#define REFUSE_STANDARD(name)                                                                \
    {                                                                                        \
        .number = SYS_##name, .refusal = EPERM, .where = { SYSCALL_BITS(0, 0xfffffffcu, 0) } \
    }

/* Everything that a slot calls, from traces of jobs with each engine, and what the C library does instead in
 * other releases: reading the store, memory files, and messages on sockets that are connected already.
 * It executes nothing, makes no process, socket or executable memory, and sends no signal. A call that is
 * not in the list fails. */
static const struct syscall_rule slot[] = {
    /* sockets and the serial port */
    SYSCALL_ALLOW(recvfrom), SYSCALL_ALLOW(sendto), SYSCALL_ALLOW(recvmsg), SYSCALL_ALLOW(sendmsg),
    SYSCALL_ALLOW(ppoll), SYSCALL_ALLOW(read), SYSCALL_ALLOW(write), SYSCALL_ALLOW(readv),
    SYSCALL_ALLOW(writev),
    /* the image store, and the log of a VMM */
    SYSCALL_ALLOW(openat), SYSCALL_ALLOW(close), SYSCALL_ALLOW(newfstatat), SYSCALL_ALLOW(fstat),
    SYSCALL_ALLOW(statx), SYSCALL_ALLOW(faccessat), SYSCALL_ALLOW(faccessat2), SYSCALL_ALLOW(getdents64),
    REFUSE_STANDARD(lseek), SYSCALL_ALLOW(lseek), SYSCALL_ALLOW(pread64),
    /* memory, and memory files */
    SYSCALL_ALLOW(memfd_create), REFUSE_STANDARD(ftruncate), SYSCALL_ALLOW(ftruncate), FCNTL(F_ADD_SEALS),
    FCNTL(F_GET_SEALS), FCNTL(F_GETFD), FCNTL(F_SETFD), FCNTL(F_GETFL), FCNTL(F_DUPFD_CLOEXEC),
    SYSCALL_ALLOW_IF(mmap, SYSCALL_BITS(2, PROT_EXEC, 0)),
    SYSCALL_ALLOW_IF(mprotect, SYSCALL_BITS(2, PROT_EXEC, 0)), SYSCALL_ALLOW(munmap), SYSCALL_ALLOW(mremap),
    SYSCALL_ALLOW(madvise), SYSCALL_ALLOW(brk),
    /* the process itself */
    SYSCALL_ALLOW(getrandom), SYSCALL_ALLOW(clock_gettime), SYSCALL_ALLOW(clock_getres),
    SYSCALL_ALLOW(clock_nanosleep), SYSCALL_ALLOW(nanosleep), SYSCALL_ALLOW(gettimeofday),
    SYSCALL_ALLOW(futex), SYSCALL_ALLOW(getpid), SYSCALL_ALLOW(geteuid), SYSCALL_ALLOW(rt_sigprocmask),
    SYSCALL_ALLOW(rt_sigaction), SYSCALL_ALLOW(rt_sigreturn), SYSCALL_ALLOW(restart_syscall),
    SYSCALL_ALLOW(exit), SYSCALL_ALLOW(exit_group),
#if defined(__x86_64__)
    SYSCALL_ALLOW(open), SYSCALL_ALLOW(stat), SYSCALL_ALLOW(lstat), SYSCALL_ALLOW(access),
    SYSCALL_ALLOW(poll), SYSCALL_ALLOW(time),
#endif
#if defined(__SANITIZE_ADDRESS__)
    SYSCALL_ALLOW(sigaltstack), /* before a call that does not return */
#endif
    SYSCALL_END};

static const struct syscall_list syscalls_slot = {.parts = {slot}, .otherwise = EPERM};

/* In addition, for a process that watches the store. */
static const struct syscall_rule watching[] = {SYSCALL_ALLOW(inotify_init1), SYSCALL_ALLOW(inotify_add_watch),
                                               SYSCALL_END};

static const struct syscall_list syscalls_watcher = {.parts = {slot, watching}, .otherwise = EPERM};

/* In addition, for a process that answers `pe-worker status`. */
static const struct syscall_rule answering[] = {SYSCALL_ALLOW(accept4), SYSCALL_END};

static const struct syscall_list syscalls_status = {.parts = {slot, answering}, .otherwise = EPERM};

/* What a folder is, whatever its name. */
struct folder {
    bool exists;
    dev_t device;
    ino_t number;
};

static struct folder known_store;

static struct folder look_at(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return (struct folder){.exists = false};
    return (struct folder){.exists = true, .device = status.st_dev, .number = status.st_ino};
}

bool slot_rights_fit_store(const struct worker_config *config)
{
    const struct folder now = look_at(config->store);
    return !now.exists ||
           (known_store.exists && now.device == known_store.device && now.number == known_store.number);
}

/* The store is the working directory. */
static void find_store(struct worker_config *config)
{
    if (access(config->store, R_OK | X_OK) == 0 || errno != EACCES)
        return;
    if (access(".", R_OK | X_OK) == 0)
        config->store = ".";
    else
        pe_log(PE_LOG_ERROR,
               "the slots of this worker run as user %u, who cannot read the image store %s; "
               "`chmod -R a+rX` allows it",
               (unsigned)geteuid(), config->store);
}

static int drop(struct worker_config *config, int *kept, const struct syscall_list *list, const char *what,
                struct pe_error *err)
{
    pid_t parent = getppid();
    if (rights_close_others(kept, err) < 0)
        return -1;
    known_store = look_at(config->store);
    pe_autoclose int store = open(config->store, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if ((store < 0 || fchdir(store) < 0) && chdir("/") < 0)
        return pe_fail_errno(err, "cannot change the working directory");
    const struct rights rights = {.uid = config->users.slot,
                                  .gid = (gid_t)config->users.slot,
                                  .files = {.folder = store},
                                  .syscalls = list};
    if (rights_drop(&rights, parent, what, err) < 0)
        return -1;
    find_store(config);
    return 0;
}

int slot_rights_drop(struct worker_config *config, int *helper_fd, struct pe_error *err)
{
    return drop(config, helper_fd, &syscalls_slot, "a slot", err);
}

int slot_rights_drop_watcher(struct worker_config *config, int *connection, struct pe_error *err)
{
    return drop(config, connection, &syscalls_watcher, "the registration", err);
}

int slot_rights_drop_status(struct worker_config *config, int *listener, struct pe_error *err)
{
    return drop(config, listener, &syscalls_status, "the process for `pe-worker status`", err);
}
