/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the files of cgroups, version 2. */
#include "guest-init/cgroup.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CGROUP_FILE_MAX 16384u

/* Memory for pe-init and crun: both streams, the paths of the outputs, and crun itself. */
#define RESERVE_KIB (32u * 1024u)

#define CGROUP_PATH_MAX 128u

static const char *file_of(const char *cgroup, const char *name, char path[CGROUP_PATH_MAX])
{
    snprintf(path, CGROUP_PATH_MAX, "%s/%s", cgroup, name);
    return path;
}

static int write_file(const char *cgroup, const char *name, const char *text, struct pe_error *err)
{
    char path[CGROUP_PATH_MAX];
    pe_autoclose int fd = open(file_of(cgroup, name, path), O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open %s", path);
    return pe_write_all(fd, text, strlen(text), path, err);
}

int cgroup_prepare(const char *cgroup, struct pe_error *err)
{
    static const char switches[] = "cgroup.subtree_control";
    struct pe_error ignored;
    if (mkdir(cgroup, 0755) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "cannot make cgroup %s", cgroup);
    if (write_file(GUEST_CGROUP_ROOT, switches, "+memory +pids", err) < 0 ||
        write_file(cgroup, switches, "+memory +pids", err) < 0)
        return -1;
    /* The kernel may lack the cpu controller. cpu.stat has the times without it as well. */
    return write_file(GUEST_CGROUP_ROOT, switches, "+cpu", &ignored) < 0
               ? 0
               : write_file(cgroup, switches, "+cpu", err);
}

int cgroup_renew(const char *cgroup, struct pe_error *err)
{
    static const char *const below[] = {GUEST_CGROUP_CONTAINER, GUEST_CGROUP_PROGRAM, GUEST_CGROUP_STAGE};
    char path[CGROUP_PATH_MAX];
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        if (rmdir(file_of(cgroup, below[i], path)) < 0 && errno != ENOENT)
            return pe_fail_errno(err, "cannot remove cgroup %s", path);
    if (rmdir(cgroup) < 0)
        return pe_fail_errno(err, "cannot remove cgroup %s", cgroup);
    return cgroup_prepare(cgroup, err);
}

/* The number after `key` and a space at the start of a line; 0 if there is no such line. */
static uint64_t number_after(const char *text, const char *key)
{
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, key, length) && line[length] == ' ')
            return strtoull(line + length + 1, NULL, 10);
    }
    return 0;
}

/* The content of a small file; an empty text if it cannot be read. It is valid until the next call. The
 * kernel makes the text of these files as one piece, so that one read(2) returns all of it. */
static const char *read_text_of(int fd)
{
    static char text[CGROUP_FILE_MAX];
    ssize_t size = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

static int open_file(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC);
}

static const char *read_text(const char *path)
{
    pe_autoclose int fd = open_file(path);
    return read_text_of(fd);
}

/* A limit of a cgroup; 0: there is none. */
static uint64_t limit_of(const char *cgroup, const char *name)
{
    char path[CGROUP_PATH_MAX];
    return strtoull(read_text(file_of(cgroup, name, path)), NULL, 10); /* "max" is not a number */
}

/* Set a limit, unless it is 0 or the cgroup has a lower one. */
static int lower_limit(const char *cgroup, const char *name, uint64_t value, struct pe_error *err)
{
    char text[32];
    uint64_t present = value ? limit_of(cgroup, name) : 0;
    if (!value || (present && present <= value))
        return 0;
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return write_file(cgroup, name, text, err);
}

int cgroup_limit_memory(const char *cgroup, struct pe_error *err)
{
    uint64_t available_kib = number_after(read_text("/proc/meminfo"), "MemAvailable:");
    if (available_kib <= RESERVE_KIB)
        return pe_fail(err, PE_ERR_INTERNAL, "the guest has only %llu KiB of memory left",
                       (unsigned long long)available_kib);
    return lower_limit(cgroup, "memory.max", (available_kib - RESERVE_KIB) * 1024, err);
}

int cgroup_enter(const char *cgroup, const char *name, pid_t pid, const struct cgroup_limits *limits,
                 struct pe_error *err)
{
    char own[CGROUP_PATH_MAX], container[CGROUP_PATH_MAX], process[16];
    file_of(cgroup, name, own);
    file_of(cgroup, GUEST_CGROUP_CONTAINER, container);
    snprintf(process, sizeof process, "%d", (int)pid);
    if ((rmdir(own) < 0 && errno != ENOENT) || mkdir(own, 0755) < 0)
        return pe_fail_errno(err, "cannot make cgroup %s", own);
    if (lower_limit(own, "memory.max", limit_of(container, "memory.max"), err) < 0 ||
        lower_limit(own, "pids.max", limit_of(container, "pids.max"), err) < 0 ||
        lower_limit(own, "memory.max", limits->memory_bytes, err) < 0 ||
        lower_limit(own, "pids.max", limits->processes, err) < 0)
        return -1;
    return write_file(own, "cgroup.procs", process, err);
}

int cgroup_limit_to_container(const char *cgroup, struct pe_error *err)
{
    char container[CGROUP_PATH_MAX];
    file_of(cgroup, GUEST_CGROUP_CONTAINER, container);
    return lower_limit(cgroup, "memory.max", limit_of(container, "memory.max"), err);
}

int cgroup_limit_processes(const char *cgroup, const char *name, uint64_t processes, struct pe_error *err)
{
    char own[CGROUP_PATH_MAX];
    return lower_limit(file_of(cgroup, name, own), "pids.max", processes, err);
}

int cgroup_kill(const char *cgroup, struct pe_error *err)
{
    return write_file(cgroup, "cgroup.kill", "1", err);
}

int cgroup_kill_below(const char *cgroup, const char *name, struct pe_error *err)
{
    char own[CGROUP_PATH_MAX];
    return cgroup_kill(file_of(cgroup, name, own), err);
}

void cgroup_counters_open(struct cgroup_counters *counters, const char *cgroup, const char *name)
{
    char own[CGROUP_PATH_MAX], path[CGROUP_PATH_MAX];
    counters->cpu = open_file(file_of(cgroup, "cpu.stat", path));
    /* It is hierarchical, so it counts kills in the cgroups below as well. */
    counters->events = open_file(file_of(cgroup, "memory.events", path));
    counters->peak = open_file(file_of(file_of(cgroup, name, own), "memory.peak", path));
}

void cgroup_counters_close(struct cgroup_counters *counters)
{
    pe_cleanup_close(&counters->cpu);
    pe_cleanup_close(&counters->events);
    pe_cleanup_close(&counters->peak);
    *counters = (struct cgroup_counters)CGROUP_COUNTERS_NONE;
}

void cgroup_counters_read_time(const struct cgroup_counters *counters, struct cgroup_usage *usage)
{
    const char *text = read_text_of(counters->cpu);
    *usage = (struct cgroup_usage){.user_us = number_after(text, "user_usec"),
                                   .system_us = number_after(text, "system_usec")};
}

void cgroup_counters_read(const struct cgroup_counters *counters, struct cgroup_usage *usage)
{
    cgroup_counters_read_time(counters, usage);
    usage->peak_kib = strtoull(read_text_of(counters->peak), NULL, 10) / 1024;
    usage->oom_kills = number_after(read_text_of(counters->events), "oom_kill");
}

void cgroup_read_usage(const char *cgroup, const char *name, struct cgroup_usage *usage)
{
    char own[CGROUP_PATH_MAX];
    struct cgroup_counters counters;
    cgroup_counters_open(&counters, file_of(cgroup, name, own), ".");
    cgroup_counters_read(&counters, usage);
    cgroup_counters_close(&counters);
}

uint64_t cgroup_read_peak_kib(const char *cgroup, const char *name)
{
    char own[CGROUP_PATH_MAX], path[CGROUP_PATH_MAX];
    return strtoull(read_text(file_of(file_of(cgroup, name, own), "memory.peak", path)), NULL, 10) / 1024;
}

void cgroup_read_cache(const char *cgroup, const char *name, struct cgroup_cache *cache)
{
    char own[CGROUP_PATH_MAX], path[CGROUP_PATH_MAX];
    const char *text = read_text(file_of(file_of(cgroup, name, own), "memory.stat", path));
    cache->kib = (number_after(text, "active_file") + number_after(text, "inactive_file")) / 1024;
    cache->refaults = number_after(text, "workingset_refault_file");
}

uint64_t cgroup_read_files_kib(const char *cgroup)
{
    char path[CGROUP_PATH_MAX];
    return number_after(read_text(file_of(cgroup, "memory.stat", path)), "shmem") / 1024;
}
