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

#define CGROUP_FILE_MAX 4096u

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
        return pe_fail_errno(err, "opening %s", path);
    return pe_write_all(fd, text, strlen(text), path, err);
}

int cgroup_prepare(const char *cgroup, struct pe_error *err)
{
    static const char switches[] = "cgroup.subtree_control";
    struct pe_error ignored;
    if (mkdir(cgroup, 0755) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "making cgroup %s", cgroup);
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
    char container[CGROUP_PATH_MAX];
    if ((rmdir(file_of(cgroup, GUEST_CGROUP_CONTAINER, container)) < 0 && errno != ENOENT) ||
        rmdir(cgroup) < 0)
        return pe_fail_errno(err, "removing cgroup %s", cgroup);
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

/* The content of a small file; an empty text if it cannot be read. */
static const char *read_text(const char *path, struct pe_buf *buf)
{
    struct pe_error ignored;
    buf->size = 0;
    if (pe_read_file(AT_FDCWD, path, CGROUP_FILE_MAX, buf, &ignored) < 0 ||
        pe_buf_append(buf, "", 1, &ignored) < 0)
        return "";
    return (const char *)buf->data;
}

int cgroup_limit_memory(const char *cgroup, struct pe_error *err)
{
    pe_autobuf struct pe_buf buf = {0};
    uint64_t available_kib = number_after(read_text("/proc/meminfo", &buf), "MemAvailable:");
    if (available_kib <= RESERVE_KIB)
        return pe_fail(err, PE_ERR_INTERNAL, "the guest has only %llu KiB of memory left",
                       (unsigned long long)available_kib);
    char limit[32];
    snprintf(limit, sizeof limit, "%llu", (unsigned long long)(available_kib - RESERVE_KIB) * 1024);
    return write_file(cgroup, "memory.max", limit, err);
}

/* Write a limit, or the original one if `value` is 0 or above it. `*before` keeps the original. */
static int set_limit(const char *cgroup, const char *name, uint64_t value, uint64_t *before,
                     struct pe_error *err)
{
    char path[CGROUP_PATH_MAX], limit[32];
    pe_autobuf struct pe_buf buf = {0};
    if (!*before) /* "max" is not a number; it means that there is no limit */
        *before = strtoull(read_text(file_of(cgroup, name, path), &buf), NULL, 10);
    if (!*before)
        *before = INT64_MAX;
    uint64_t chosen = value && value < *before ? value : *before;
    if (chosen == INT64_MAX) /* pids.max does not take this number */
        return write_file(cgroup, name, "max", err);
    snprintf(limit, sizeof limit, "%llu", (unsigned long long)chosen);
    return write_file(cgroup, name, limit, err);
}

int cgroup_limit_container(const char *cgroup, const struct cgroup_limits *limits,
                           struct cgroup_limits *before, struct pe_error *err)
{
    char container[CGROUP_PATH_MAX];
    file_of(cgroup, GUEST_CGROUP_CONTAINER, container);
    if (set_limit(container, "memory.max", limits->memory_bytes, &before->memory_bytes, err) < 0)
        return -1;
    return set_limit(container, "pids.max", limits->processes, &before->processes, err);
}

int cgroup_kill(const char *cgroup, struct pe_error *err)
{
    return write_file(cgroup, "cgroup.kill", "1", err);
}

void cgroup_read_usage(const char *cgroup, struct cgroup_usage *usage)
{
    char path[CGROUP_PATH_MAX];
    pe_autobuf struct pe_buf buf = {0};
    const char *text = read_text(file_of(cgroup, "cpu.stat", path), &buf);
    usage->user_us = number_after(text, "user_usec");
    usage->system_us = number_after(text, "system_usec");
    usage->peak_kib = strtoull(read_text(file_of(cgroup, "memory.peak", path), &buf), NULL, 10) / 1024;
    /* memory.events is hierarchical, so it counts kills in the container's cgroup as well. */
    usage->oom_kills = number_after(read_text(file_of(cgroup, "memory.events", path), &buf), "oom_kill");
}
