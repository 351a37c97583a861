/* config.json and job of a bundle. The sandbox of a job inside its VM is decided here and in
 * worker/seccomp_profile.c. */
#include "worker/bundle.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "proto/flat.h"
#include "proto/limits.h"
#include "worker/seccomp_profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Enough for the image's root to treat its own files as its own; nothing that reaches the kernel or the
 * devices. */
static const char *const capabilities[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID",
                                           "CAP_KILL",  "CAP_SETGID",       "CAP_SETUID"};

static json_t *strings(const char *const *texts, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_string(texts[i]));
    return array;
}

#define STRINGS(...)                            \
    strings((const char *const[]){__VA_ARGS__}, \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static json_t *capability_sets(void)
{
    static const char *const sets[] = {"bounding", "effective", "permitted"};
    json_t *json = json_object();
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        json_object_set_new(json, sets[i], strings(capabilities, sizeof capabilities / sizeof *capabilities));
    return json;
}

static json_t *mount(const char *to, const char *type, const char *from, json_t *options)
{
    return json_pack("{s:s, s:s, s:s, s:o}", "destination", to, "type", type, "source", from, "options",
                     options);
}

static json_t *mounts(void)
{
    return json_pack(
        "[o, o, o, o, o, o, o, o, o]", mount("/proc", "proc", "proc", STRINGS("nosuid", "noexec", "nodev")),
        mount("/dev", "tmpfs", "tmpfs", STRINGS("nosuid", "strictatime", "mode=755", "size=65536k")),
        mount("/dev/pts", "devpts", "devpts",
              STRINGS("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")),
        mount("/dev/shm", "tmpfs", "shm", STRINGS("nosuid", "noexec", "nodev", "mode=1777", "size=65536k")),
        mount("/sys", "sysfs", "sysfs", STRINGS("nosuid", "noexec", "nodev", "ro")),
        mount("/dev/pe-shim", "bind", "/bin/pe-shim", STRINGS("bind", "ro", "nosuid", "nodev")),
        mount("/input", "bind", "/run/pe/input", STRINGS("rbind", "ro", "nosuid", "nodev")),
        mount("/work", "bind", "/run/pe/work", STRINGS("rbind", "rw", "nosuid", "nodev")),
        mount("/output", "bind", "/run/pe/output", STRINGS("rbind", "rw", "nosuid", "nodev")));
}

static json_t *linux_section(uint32_t memory_mib)
{
    json_int_t memory = (json_int_t)memory_mib * PE_MIB;
    json_t *namespaces =
        json_pack("[{s:s}, {s:s}, {s:s}, {s:s}, {s:s}, {s:s}]", "type", "pid", "type", "network", "type",
                  "ipc", "type", "uts", "type", "mount", "type", "cgroup");
    return json_pack("{s:s, s:o, s:{s:{s:I, s:I}, s:{s:i}}, s:o, s:o, s:o}", "cgroupsPath", "/job/container",
                     "namespaces", namespaces, "resources", "memory", "limit", memory, "swap", memory, "pids",
                     "limit", (int)PE_PIDS_MAX, "seccomp", seccomp_profile(), "maskedPaths",
                     STRINGS("/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                             "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"),
                     "readonlyPaths",
                     STRINGS("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"));
}

/* Where `entry` ("KEY=value") overrides one of the environment's, else at its end. */
static void set_env(json_t *env, const char *entry)
{
    size_t key = strcspn(entry, "=") + 1;
    for (size_t i = 0; i < json_array_size(env); i++)
        if (!strncmp(json_string_value(json_array_get(env, i)), entry, key)) {
            json_array_set_new(env, i, json_string(entry));
            return;
        }
    json_array_append_new(env, json_string(entry));
}

static json_t *environment(const struct pe_job *job, const struct pe_image *image)
{
    json_t *env = STRINGS("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                          "LANG=C.UTF-8");
    for (size_t i = 0; i < image->env_count; i++)
        set_env(env, image->env[i]);
    for (size_t i = 0; i < job->env_count; i++)
        set_env(env, job->env[i]);
    return env;
}

static int append_words(json_t *args, char *const *words, size_t count, struct pe_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(args, json_string(words[i])) < 0)
            return pe_fail(err, PE_ERR_INVALID, "word %zu of the command is not UTF-8", i + 1);
    return 0;
}

/* The shim, then the job's command or what the image's default command becomes for its files. */
static int append_command(json_t *args, const struct pe_job *job, const struct pe_image *image,
                          const struct pe_parts *files, struct pe_error *err)
{
    if (job->cmd)
        return append_words(args, job->cmd, job->cmd_count, err);
    pe_autofree const char **names = calloc(files->count + 1, sizeof *names);
    if (!names)
        return pe_fail_errno(err, "names of %zu files", files->count);
    size_t count = 0;
    for (size_t i = 0; i < files->count; i++)
        if (!job->stdin_name || strcmp(job->stdin_name, files->items[i].path.text) != 0)
            names[count++] = files->items[i].path.text;
    char **words = NULL;
    size_t word_count = 0;
    if (pe_image_default_command(image, names, count, &words, &word_count, err) < 0)
        return -1;
    int failed = append_words(args, words, word_count, err);
    pe_strings_free(words, word_count);
    return failed;
}

/* Capabilities are root's; crun takes them from any other user when it changes to it. */
static json_t *user_section(const struct pe_image_user *user)
{
    json_t *groups = json_array();
    for (size_t i = 0; i < user->group_count; i++)
        json_array_append_new(groups, json_integer(user->groups[i]));
    return json_pack("{s:I, s:I, s:o}", "uid", (json_int_t)user->uid, "gid", (json_int_t)user->gid,
                     "additionalGids", groups);
}

static json_t *process_section(json_t *args, const struct pe_job *job, const struct pe_image *image)
{
    return json_pack("{s:b, s:o, s:O, s:o, s:s, s:o, s:b, s:[{s:s, s:i, s:i}, {s:s, s:i, s:i}]}", "terminal",
                     0, "user", user_section(&image->user), "args", args, "env", environment(job, image),
                     "cwd", "/work", "capabilities", capability_sets(), "noNewPrivileges", 1, "rlimits",
                     "type", "RLIMIT_NOFILE", "hard", 4096, "soft", 1024, "type", "RLIMIT_CORE", "hard", 0,
                     "soft", 0);
}

int bundle_config(const struct pe_job *job, const struct pe_image *image, const struct pe_parts *files,
                  uint32_t memory_mib, struct pe_buf *out, struct pe_error *err)
{
    pe_autojson json_t *args = STRINGS("/dev/pe-shim");
    if (append_command(args, job, image, files, err) < 0)
        return -1;
    char root[256]; /* of a combined image, the prefix that the catalog's name stands for */
    snprintf(root, sizeof root, "/run/pe/rootfs%s%.200s", image->root && *image->root ? "/" : "",
             image->root ? image->root : "");
    pe_autojson json_t *config =
        json_pack("{s:s, s:{s:s, s:b}, s:s, s:o, s:o, s:o}", "ociVersion", "1.0.2", "root", "path", root,
                  "readonly", 0, "hostname", "pe", "process", process_section(args, job, image), "mounts",
                  mounts(), "linux", linux_section(memory_mib));
    pe_autofree char *text = config ? json_dumps(config, JSON_COMPACT) : NULL;
    if (!text)
        return pe_fail(err, PE_ERR_INTERNAL, "encoding config.json");
    return pe_buf_append_text(out, text, err);
}

int bundle_job(const struct pe_job *job, struct pe_buf *out, struct pe_error *err)
{
    char entropy[65];
    pe_random_hex(entropy, 32);
    if (pe_flat_put_u64(out, "version", 1, err) < 0 ||
        pe_flat_put_u64(out, "timeout_ms", job->timeout_ms, err) < 0 ||
        pe_flat_put_u64(out, "stdout_limit", PE_STDOUT_BYTES_MAX, err) < 0 ||
        pe_flat_put_u64(out, "stderr_limit", PE_STDERR_BYTES_MAX, err) < 0 ||
        pe_flat_put_u64(out, "output_limit", PE_OUTPUT_BYTES_MAX, err) < 0 ||
        pe_flat_put_u64(out, "output_files", PE_OUTPUT_FILES_MAX, err) < 0 ||
        pe_flat_put_u64(out, "scratch_bytes", PE_SCRATCH_BYTES_MAX, err) < 0 ||
        pe_flat_put(out, "entropy", entropy, err) < 0)
        return -1;
    for (size_t i = 0; i < job->output_count; i++)
        if (pe_flat_put(out, "output", job->outputs[i], err) < 0)
            return -1;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return pe_flat_put_u64(out, "now_ns", (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, err);
}
