/* SPDX-License-Identifier: Apache-2.0 */
/* Which protections confine the VMMs of this worker, and why the others are missing. A report is made
 * once, when a worker starts, by trying (worker/vmm/jail.c). The worker logs what is missing, and
 * `pe-worker doctor` prints the whole list. */
#ifndef PE_WORKER_VMM_JAIL_REPORT_H
#define PE_WORKER_VMM_JAIL_REPORT_H

#include <stdbool.h>
#include <stddef.h>

enum jail_protection {
    JAIL_OWN_USER,      /* a VMM runs as a user that nothing else on the host uses */
    JAIL_MOUNTS,        /* its own mount namespace */
    JAIL_PROCESSES,     /* its own PID namespace */
    JAIL_IPC,           /* its own namespace of System V IPC and POSIX message queues */
    JAIL_HOST_NAME,     /* its own UTS namespace */
    JAIL_NETWORK,       /* its own network namespace, in which nothing is */
    JAIL_ROOT,          /* a root directory with its own files only */
    JAIL_FILES,         /* Landlock: opens and executes its own files only */
    JAIL_TCP,           /* Landlock: neither binds nor connects TCP sockets */
    JAIL_DEVICES,       /* Landlock: ioctl(2) on its own devices only */
    JAIL_SCOPE,         /* Landlock: signals and abstract UNIX sockets inside the jail only */
    JAIL_SYSTEM_CALLS,  /* a seccomp filter with the system calls that this VMM needs */
    JAIL_MEMORY_LIMIT,  /* a cgroup that limits its memory */
    JAIL_PROCESS_LIMIT, /* a cgroup that limits the number of its processes and threads */
    JAIL_CPU_LIMIT,     /* a cgroup that limits its CPU time */
    JAIL_PROTECTION_COUNT
};

struct jail_finding {
    bool active;
    char why[200]; /* if not active: what is missing, and what to do about it */
};

/* Zero-initialised, no protection is active. */
struct jail_report {
    struct jail_finding findings[JAIL_PROTECTION_COUNT];
};

/* Name of a protection, e.g. "network namespace". */
const char *jail_protection_name(enum jail_protection protection);

/* What can happen without it, as the end of a sentence that begins with "a VMM that was taken over
 * can", e.g. "use the host's network". */
const char *jail_protection_purpose(enum jail_protection protection);

/* Record that a protection is active. */
void jail_report_active(struct jail_report *report, enum jail_protection protection);

/* Record that a protection is missing, and why. */
void jail_report_missing(struct jail_report *report, enum jail_protection protection, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Write one line about a missing protection to the log for each one. */
void jail_report_log(const struct jail_report *report);

#endif
