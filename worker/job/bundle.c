/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding of config.json, `program` and `job`. This file and worker/job/seccomp_profile.c define how a
 * job is confined inside its VM. */
#include "worker/job/bundle.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/flat.h"
#include "proto/guest.h"
#include "proto/json_dump.h"
#include "proto/limits.h"
#include "worker/job/seccomp_profile.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Root in the container may do with the container's files what it likes. It gets no capability that
 * reaches the kernel or a device. */
static const char *const capabilities[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID",
                                           "CAP_KILL",  "CAP_SETGID",       "CAP_SETUID"};

static json_t *strings(const char *const *texts, size_t count)
{
    pe_autojson json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(array, json_string(texts[i])) < 0)
            return NULL;
    return json_incref(array);
}

#define STRINGS(...)                            \
    strings((const char *const[]){__VA_ARGS__}, \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static json_t *capability_sets(void)
{
    static const char *const sets[] = {"bounding", "effective", "permitted"};
    pe_autojson json_t *json = json_object();
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        json_t *set = strings(capabilities, sizeof capabilities / sizeof *capabilities);
        if (json_object_set_new(json, sets[i], set) < 0)
            return NULL;
    }
    return json_incref(json);
}

static json_t *mount(const char *to, const char *type, const char *from, json_t *options)
{
    return json_pack("{s:s, s:s, s:s, s:o}", "destination", to, "type", type, "source", from, "options",
                     options);
}

/* Files in /dev/shm are part of the job's memory, so its limit is that of the memory: a job that fills it
 * ends as one that has no memory left, and not with SIGBUS. */
static json_t *mounts(uint32_t memory_mib)
{
    char shm_size[32];
    snprintf(shm_size, sizeof shm_size, "size=%um", memory_mib);
    return json_pack(
        "[o, o, o, o, o, o, o]", mount("/proc", "proc", "proc", STRINGS("nosuid", "noexec", "nodev")),
        mount("/dev", "tmpfs", "tmpfs", STRINGS("nosuid", "strictatime", "mode=755", "size=65536k")),
        mount("/dev/pts", "devpts", "devpts",
              STRINGS("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")),
        mount("/dev/shm", "tmpfs", "shm", STRINGS("nosuid", "noexec", "nodev", "mode=1777", shm_size)),
        mount("/sys", "sysfs", "sysfs", STRINGS("nosuid", "noexec", "nodev", "ro")),
        mount("/dev/pe-shim", "bind", "/bin/pe-shim", STRINGS("bind", "ro", "nosuid", "nodev")),
        mount("/proc/sys/kernel/random/boot_id", "bind", "/run/pe/identity/boot_id",
              STRINGS("bind", "ro", "nosuid", "nodev")));
}

static json_t *linux_section(enum bundle_container container, uint32_t memory_mib)
{
    json_int_t memory = (json_int_t)memory_mib * PE_MIB;
    json_t *namespaces =
        json_pack("[{s:s}, {s:s}, {s:s}, {s:s}, {s:s}, {s:s}]", "type", "pid", "type", "network", "type",
                  "ipc", "type", "uts", "type", "mount", "type", "cgroup");
    return json_pack(
        "{s:s, s:o, s:{s:{s:I, s:I}, s:{s:i}}, s:o, s:o, s:o}", "cgroupsPath",
        container == BUNDLE_JOB ? "/job/container" : "/prewarm/container", "namespaces", namespaces,
        "resources", "memory", "limit", memory, "swap", memory, "pids", "limit", (int)PE_PIDS_MAX, "seccomp",
        seccomp_profile(), "maskedPaths",
        STRINGS("/proc/acpi", "/proc/dynamic_debug", "/proc/exitcode", "/proc/kcore", "/proc/keys",
                "/proc/latency_stats", "/proc/mtrr", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi",
                "/sys/firmware"),
        "readonlyPaths",
        STRINGS("/proc/bus", "/proc/fs", "/proc/irq", "/proc/pressure", "/proc/sys", "/proc/sysrq-trigger"));
}

/* Only root has capabilities: crun drops them when it changes to another user. */
static json_t *user_section(const struct pe_image_user *user)
{
    pe_autojson json_t *groups = json_array();
    for (size_t i = 0; i < user->group_count; i++)
        if (json_array_append_new(groups, json_integer(user->groups[i])) < 0)
            return NULL;
    return json_pack("{s:I, s:I, s:O}", "uid", (json_int_t)user->uid, "gid", (json_int_t)user->gid,
                     "additionalGids", groups);
}

static json_t *process_section(const struct pe_image *image)
{
    return json_pack("{s:b, s:o, s:o, s:s, s:o, s:b, s:[{s:s, s:i, s:i}, {s:s, s:i, s:i}]}", "terminal", 0,
                     "user", user_section(&image->user), "args", STRINGS("/dev/pe-shim"), "cwd", "/",
                     "capabilities", capability_sets(), "noNewPrivileges", 1, "rlimits", "type",
                     "RLIMIT_NOFILE", "hard", 4096, "soft", 1024, "type", "RLIMIT_CORE", "hard", 0, "soft",
                     0);
}

int bundle_config(enum bundle_container container, const struct pe_image *image, uint32_t memory_mib,
                  struct pe_buf *out, struct pe_error *err)
{
    char root[256]; /* a combined image has a folder in the rootfs for each of its parts */
    snprintf(root, sizeof root, "/run/pe/rootfs%s%.200s", image->root && *image->root ? "/" : "",
             image->root ? image->root : "");
    pe_autojson json_t *config =
        json_pack("{s:s, s:{s:s, s:b}, s:s, s:o, s:o, s:o}", "ociVersion", "1.0.2", "root", "path", root,
                  "readonly", 0, "hostname", PE_GUEST_HOSTNAME, "process", process_section(image), "mounts",
                  mounts(memory_mib), "linux", linux_section(container, memory_mib));
    pe_autofree char *text = pe_json_dump(config, JSON_COMPACT);
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for config.json");
    return pe_buf_append_text(out, text, err);
}

/* ---- the program ---- */

/* Set `entry` ("KEY=value") in the environment: it replaces an entry with the same key, or is
 * appended. */
static void set_env(const char **env, size_t *count, const char *entry)
{
    size_t key = strcspn(entry, "=") + 1;
    size_t i = 0;
    while (i < *count && strncmp(env[i], entry, key) != 0)
        i++;
    env[i] = entry;
    *count += i == *count;
}

static int append_environment(const struct pe_job_spec *job, const struct pe_live_input *live,
                              const struct pe_image *image, struct pe_buf *out, struct pe_error *err)
{
    char term[sizeof "TERM=" + PE_TERM_NAME_MAX];
    /* pe-image adds the HOME that the image's /etc/passwd names. A user that is not there gets /tmp, because
     * only root can use /root. */
    const char *const defaults[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                    image->user.uid == 0 ? "HOME=/root" : "HOME=/tmp", "LANG=C.UTF-8"};
    static const size_t default_count = sizeof defaults / sizeof *defaults;
    pe_autofree const char **env = calloc(default_count + 1 + image->env_count + job->env_count, sizeof *env);
    size_t count = 0;
    if (!env)
        return pe_fail_errno(err, "out of memory for the environment of a program");
    for (size_t i = 0; i < default_count; i++)
        set_env(env, &count, defaults[i]);
    for (size_t i = 0; i < image->env_count; i++)
        set_env(env, &count, image->env[i]);
    if (live && live->tty) {
        snprintf(term, sizeof term, "TERM=%s", live->term);
        set_env(env, &count, term);
    }
    for (size_t i = 0; i < job->env_count; i++)
        set_env(env, &count, job->env[i]);
    for (size_t i = 0; i < count; i++)
        if (pe_buf_append(out, env[i], strlen(env[i]) + 1, err) < 0)
            return -1;
    return 0;
}

/* Append the number of arguments, the directory in which the program runs, and the arguments. */
static int append_arguments(char *const *arguments, size_t count, const char *directory, struct pe_buf *out,
                            struct pe_error *err)
{
    bool elsewhere = strcmp(directory, "/work") != 0;
    if (pe_buf_printf(out, err, "%zu%s%s\n", count, elsewhere ? " " : "", elsewhere ? directory : "") < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (pe_buf_append(out, arguments[i], strlen(arguments[i]) + 1, err) < 0)
            return -1;
    return 0;
}

/* Append the image's default command, completed with the job's files. */
static int append_default_command(const struct pe_job_spec *job, const struct pe_image *image,
                                  const struct pe_parts *files, struct pe_buf *out, struct pe_error *err)
{
    pe_autofree const char **names = calloc(files->count + 1, sizeof *names);
    if (!names)
        return pe_fail_errno(err, "out of memory for the names of %zu files", files->count);
    size_t count = 0;
    for (size_t i = 0; i < files->count; i++)
        if (!job->stdin_name || strcmp(job->stdin_name, files->items[i].path.text) != 0)
            names[count++] = files->items[i].path.text;
    char **arguments = NULL;
    size_t argument_count = 0;
    if (pe_image_default_command(image, names, count, &arguments, &argument_count, err) < 0)
        return -1;
    int failed = append_arguments(arguments, argument_count, pe_image_default_directory(image, names, count),
                                  out, err);
    pe_strings_free(arguments, argument_count);
    return failed;
}

int bundle_program(const struct pe_job_spec *job, const struct pe_live_input *live,
                   const struct pe_image *image, const struct pe_parts *files, struct pe_buf *out,
                   struct pe_error *err)
{
    int failed = job->cmd ? append_arguments(job->cmd, job->cmd_count, "/work", out, err)
                          : append_default_command(job, image, files, out, err);
    if (failed || append_environment(job, live, image, out, err) < 0)
        return -1;
    if (out->size > PE_PROGRAM_BYTES_MAX)
        return pe_fail(err, PE_ERR_TOO_LARGE,
                       "command and environment have %zu bytes, but only %u are allowed", out->size,
                       PE_PROGRAM_BYTES_MAX);
    return 0;
}

/* ---- the job ---- */

/* The keys of optional limits. */
static int append_limits(const struct pe_job_spec *job, struct pe_buf *out, struct pe_error *err)
{
    if (job->process_limit && pe_flat_append_u64(out, "process_limit", job->process_limit, err) < 0)
        return -1;
    return job->stack_limit_kib
               ? pe_flat_append_u64(out, "stack_bytes", (uint64_t)job->stack_limit_kib * 1024, err)
               : 0;
}

/* The keys of a job whose input is typed. */
static int append_live(const struct pe_live_input *live, struct pe_buf *out, struct pe_error *err)
{
    if (!live || !live->open)
        return 0;
    if (pe_flat_append_u64(out, "live_input", 1, err) < 0)
        return -1;
    if (!live->tty)
        return 0;
    return pe_flat_append_u64(out, "rows", live->window.rows, err) < 0
               ? -1
               : pe_flat_append_u64(out, "cols", live->window.cols, err);
}

/* The version that a guest must know. An older one would ignore the keys that it does not know, so only the
 * jobs that have them need a newer one. */
static uint64_t version_of(const struct pe_job_spec *job, const struct pe_live_input *live)
{
    if (live && live->open)
        return 4;
    return job->process_limit || job->stack_limit_kib ? 3 : 2;
}

int bundle_job(const struct pe_job_spec *job, const struct pe_live_input *live, const char *flag,
               struct pe_buf *out, struct pe_error *err)
{
    char entropy[65];
    pe_random_hex(entropy, 32);
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"version", version_of(job, live)},
        {"timeout_ms", job->timeout_ms},
        {"stdout_limit", pe_job_spec_stdout_max(job)},
        {"stderr_limit", pe_job_spec_stderr_max(job)},
        {"output_limit", PE_OUTPUT_BYTES_MAX},
        {"output_files", PE_OUTPUT_FILES_MAX},
        {"scratch_bytes", PE_SCRATCH_BYTES_MAX},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (pe_flat_append_u64(out, numbers[i].key, numbers[i].value, err) < 0)
            return -1;
    if (pe_flat_append(out, "entropy", entropy, err) < 0 ||
        (flag && pe_flat_append_u64(out, flag, 1, err) < 0) ||
        (job->combined && pe_flat_append_u64(out, "combined", 1, err) < 0) ||
        (job->stop_at_output_limit && pe_flat_append_u64(out, "stop_at_output_limit", 1, err) < 0) ||
        append_limits(job, out, err) < 0 || append_live(live, out, err) < 0)
        return -1;
    for (size_t i = 0; i < job->output_count; i++)
        if (pe_flat_append(out, "output", job->outputs[i], err) < 0)
            return -1;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return pe_flat_append_u64(out, "now_ns", (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, err);
}

int bundle_texts(const struct pe_job_spec *job, const struct pe_live_input *live,
                 const struct pe_image *image, const struct pe_parts *files, uint32_t memory_mib,
                 bool new_container, struct input_texts *texts, struct pe_error *err)
{
    texts->uid = image->user.uid;
    texts->gid = image->user.gid;
    if (bundle_config(BUNDLE_JOB, image, memory_mib, &texts->config, err) < 0 ||
        bundle_program(job, live, image, files, &texts->program, err) < 0)
        return -1;
    return bundle_job(job, live, new_container ? "new_container" : NULL, &texts->job, err);
}
