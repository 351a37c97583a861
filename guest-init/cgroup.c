/* Cgroup v2 files of the job: one write or one read each. */
#include "guest-init/cgroup.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CGROUP_FILE_MAX 4096u

/* For pe-init and crun: both streams, the paths of the outputs, crun itself. */
#define RESERVE_KIB (32u * 1024u)

static int write_file(const char *path, const char *text, struct pe_error *err)
{
    pe_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return pe_fail_errno(err, "opening %s", path);
    return pe_write_all(fd, text, strlen(text), path, err);
}

int cgroup_prepare(struct pe_error *err)
{
    static const char switches[] = GUEST_CGROUP_ROOT "/cgroup.subtree_control";
    static const char job_switches[] = GUEST_CGROUP "/cgroup.subtree_control";
    struct pe_error ignored;
    if (mkdir(GUEST_CGROUP, 0755) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "making cgroup " GUEST_CGROUP);
    if (write_file(switches, "+memory +pids", err) < 0 || write_file(job_switches, "+memory +pids", err) < 0)
        return -1;
    /* A kernel without the cpu controller will do: cpu.stat has the times all the same. */
    return write_file(switches, "+cpu", &ignored) < 0 ? 0 : write_file(job_switches, "+cpu", err);
}

int cgroup_renew(struct pe_error *err)
{
    if ((rmdir(GUEST_CGROUP_CONTAINER) < 0 && errno != ENOENT) || rmdir(GUEST_CGROUP) < 0)
        return pe_fail_errno(err, "removing cgroup " GUEST_CGROUP);
    return cgroup_prepare(err);
}

/* The number behind `key` and a space at the start of a line of `text`; 0 when there is none. */
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

/* The content of a cgroup file as text, empty when it cannot be read. */
static const char *read_text(const char *path, struct pe_buf *buf)
{
    struct pe_error ignored;
    buf->size = 0;
    if (pe_read_file(AT_FDCWD, path, CGROUP_FILE_MAX, buf, &ignored) < 0 ||
        pe_buf_append(buf, "", 1, &ignored) < 0)
        return "";
    return (const char *)buf->data;
}

int cgroup_limit_memory(struct pe_error *err)
{
    pe_autobuf struct pe_buf buf = {0};
    uint64_t available_kib = number_after(read_text("/proc/meminfo", &buf), "MemAvailable:");
    if (available_kib <= RESERVE_KIB)
        return pe_fail(err, PE_ERR_INTERNAL, "the guest has only %llu KiB of memory left",
                       (unsigned long long)available_kib);
    char limit[32];
    snprintf(limit, sizeof limit, "%llu", (unsigned long long)(available_kib - RESERVE_KIB) * 1024);
    return write_file(GUEST_CGROUP "/memory.max", limit, err);
}

int cgroup_kill(struct pe_error *err)
{
    return write_file(GUEST_CGROUP "/cgroup.kill", "1", err);
}

void cgroup_read_usage(struct cgroup_usage *usage)
{
    pe_autobuf struct pe_buf buf = {0};
    const char *text = read_text(GUEST_CGROUP "/cpu.stat", &buf);
    usage->user_us = number_after(text, "user_usec");
    usage->system_us = number_after(text, "system_usec");
    usage->peak_kib = strtoull(read_text(GUEST_CGROUP "/memory.peak", &buf), NULL, 10) / 1024;
    /* Hierarchical: counts kills in the container's cgroup below, which crun has removed by now. */
    usage->oom_kills = number_after(read_text(GUEST_CGROUP "/memory.events", &buf), "oom_kill");
}
