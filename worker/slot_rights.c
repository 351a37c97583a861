/* SPDX-License-Identifier: Apache-2.0 */
/* The steps in their order: descriptors, working directory, user, no_new_privs, Landlock, seccomp. Which
 * rights remain is in the two lists below. */
#include "worker/slot_rights.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "worker/vmm/landlock.h"
#include "worker/vmm/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HELPER_FD 3

/* What a slot may read: the configuration of name resolution and TLS, libraries that the C library loads
 * for it, and what tells about the machine. A file of its user is not among it. */
static const char *const readable[] = {"/etc", "/usr", "/lib", "/lib64", "/run", "/proc", "/sys", "/dev"};
#define READABLE_COUNT (sizeof readable / sizeof *readable)

/* In addition to what every program needs: sockets, for the balancer, for its name, and for libcurl's
 * thread that resolves it. A slot executes nothing. Everything else fails, because what the C library and
 * libcurl try differs between their versions. */
static const struct syscall_rule slot[] = {SYSCALL_REFUSE(execve, EPERM),
                                           SYSCALL_ALLOW_IF(ioctl, SYSCALL_INT(1, FIONREAD)),
                                           SYSCALL_ALLOW_IF(ioctl, SYSCALL_INT(1, FIONBIO)),
                                           SYSCALL_REFUSE(ioctl, ENOTTY),
                                           SYSCALL_ALLOW_IF(socket, SYSCALL_INT(0, AF_INET)),
                                           SYSCALL_ALLOW_IF(socket, SYSCALL_INT(0, AF_INET6)),
                                           SYSCALL_ALLOW_IF(socket, SYSCALL_INT(0, AF_UNIX)),
                                           SYSCALL_ALLOW_IF(socket, SYSCALL_INT(0, AF_NETLINK)),
                                           SYSCALL_REFUSE(socket, EAFNOSUPPORT),
                                           SYSCALL_ALLOW_IF(socketpair, SYSCALL_INT(0, AF_UNIX)),
                                           SYSCALL_ALLOW(bind),
                                           SYSCALL_ALLOW(connect),
                                           SYSCALL_ALLOW(sendto),
                                           SYSCALL_ALLOW(recvfrom),
                                           SYSCALL_ALLOW(sendmsg),
                                           SYSCALL_ALLOW(recvmsg),
                                           SYSCALL_ALLOW(sendmmsg),
                                           SYSCALL_ALLOW(recvmmsg),
                                           SYSCALL_ALLOW(shutdown),
                                           SYSCALL_ALLOW(getsockname),
                                           SYSCALL_ALLOW(getpeername),
                                           SYSCALL_ALLOW(getsockopt),
                                           SYSCALL_ALLOW(setsockopt),
                                           SYSCALL_ALLOW(pselect6),
#if defined(__x86_64__)
                                           SYSCALL_ALLOW(select),
#endif
                                           SYSCALLS_THREADS,
                                           SYSCALL_END};

static const struct syscall_list syscalls_slot = {.parts = {slot, syscalls_memory, syscalls_common},
                                                  .otherwise = EPERM};

/* Descriptors of the worker's jail, listener and locks are not for slots. */
static int close_others(int *helper_fd, struct pe_error *err)
{
    if (*helper_fd != HELPER_FD && dup3(*helper_fd, HELPER_FD, O_CLOEXEC) < 0)
        return pe_fail_errno(err, "cannot renumber the socket of a slot's helper");
    if (close_range(HELPER_FD + 1, ~0u, 0) < 0)
        return pe_fail_errno(err, "cannot close the descriptors of the worker");
    *helper_fd = HELPER_FD;
    return 0;
}

/* The folder above the store, which may be created or replaced later. */
static const char *folder_of_store(const char *store, char folder[PATH_MAX])
{
    snprintf(folder, PATH_MAX, "%s", store);
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        folder[--length] = '\0';
    char *slash = strrchr(folder, '/');
    if (!slash)
        return ".";
    slash[slash == folder ? 1 : 0] = '\0';
    return folder;
}

/* A worker without root has capabilities as well, in a user namespace (worker/vmm/user_namespace.h). */
static int drop_capabilities(struct pe_error *err)
{
    static const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(SYS_capset, &header, none) == 0 ? 0 : pe_fail_errno(err, "cannot drop capabilities");
}

static int become_user(const struct worker_config *config, struct pe_error *err)
{
    for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++)
        ;
    const gid_t gid = (gid_t)config->slot_uid;
    if (geteuid() != 0)
        return drop_capabilities(err);
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
        setresuid(config->slot_uid, config->slot_uid, config->slot_uid) < 0)
        return pe_fail_errno(err, "cannot become user %u", (unsigned)config->slot_uid);
    return drop_capabilities(err);
}

static int confine(int store_folder, struct pe_error *err)
{
    struct syscall_filter filter = {.count = 0};
    if (syscall_filter_make(&syscalls_slot, &filter, err) < 0)
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        landlock_confine_reader(readable, READABLE_COUNT, store_folder) < 0 ||
        syscall_filter_install(&filter) < 0)
        return pe_fail_errno(err, "cannot confine a slot");
    return 0;
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

int slot_rights_drop(struct worker_config *config, int *helper_fd, struct pe_error *err)
{
    char path[PATH_MAX];
    pid_t parent = getppid();
    if (close_others(helper_fd, err) < 0)
        return -1;
    pe_autoclose int folder = open(folder_of_store(config->store, path), O_PATH | O_DIRECTORY | O_CLOEXEC);
    /* A store that does not exist yet will be found by its path. */
    if (chdir(config->store) < 0 && chdir("/") < 0)
        return pe_fail_errno(err, "cannot change the working directory");
    if (become_user(config, err) < 0)
        return -1;
    /* A change of user clears the signal. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        return pe_fail(err, PE_ERR_INTERNAL, "the supervisor of the worker has ended");
    if (confine(folder, err) < 0)
        return -1;
    find_store(config);
    return 0;
}
