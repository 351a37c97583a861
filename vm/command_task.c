/* SPDX-License-Identifier: Apache-2.0 */
/* pe-vm task: one VM for one job, and pe-vm template: a snapshot for such VMs, which exists as long as the
 * command runs. */
#include "base/cleanup.h"
#include "base/home.h"
#include "base/log.h"
#include "proto/limits.h"
#include "vm/command.h"
#include "vm/task.h"
#include "vm/task_report.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct task_options {
    const char *engine;
    uint64_t memory_mib, cpus, timeout_ms, settle_ms;
    bool json, hold;
    char store[PATH_MAX];
    struct task_settings settings;
};

static void close_host(struct task_host *host)
{
    task_host_close(host);
}
#define autotaskhost __attribute__((cleanup(close_host)))
#define autotask __attribute__((cleanup(task_free)))

/* "--" and what follows is the command; what stands before it are options and files. */
static int find_separator(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--"))
            return i;
    return argc;
}

static int check(struct task_options *options, struct pe_error *err)
{
    struct task_settings *settings = &options->settings;
    if (!settings->image)
        return pe_fail(err, PE_ERR_INVALID, "--image is missing, as in --image busybox:1.35");
    if (options->memory_mib < 64 || options->memory_mib > 65536)
        return pe_fail(err, PE_ERR_INVALID, "--memory must be between 64 and 65536 MiB");
    if (options->cpus < 1 || options->cpus > 64)
        return pe_fail(err, PE_ERR_INVALID, "--cpus must be between 1 and 64");
    if (options->timeout_ms < 1 || options->timeout_ms > PE_JOB_MS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--timeout must be between 1 and %u ms", PE_JOB_MS_MAX);
    if (options->settle_ms > PE_JOB_MS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--settle must be at most %u ms", PE_JOB_MS_MAX);
    settings->memory_mib = (uint32_t)options->memory_mib;
    settings->cpus = (uint32_t)options->cpus;
    settings->timeout_ms = (uint32_t)options->timeout_ms;
    settings->settle_ms = (uint32_t)options->settle_ms;
    if (settings->store)
        return 0;
    settings->store = options->store;
    return pe_home_path("images", options->store, sizeof options->store, err);
}

/* The options that both commands have. */
#define VM_OPTIONS(o, files)                                                                         \
    {"engine",       'e',                                                                            \
     "ENGINE",       "auto (the default: the best that works), uml, qemu, or an engine's full name", \
     PE_OPTION_TEXT, &(o).engine},                                                                   \
        {"image", 'i', "IMAGE", "the image of the program", PE_OPTION_TEXT, &(o).settings.image},    \
        {"memory",       'm', "MIB", "memory that the job may use (default 1024)", PE_OPTION_NUMBER, \
         &(o).memory_mib},                                                                           \
        {"cpus", 'c', "N", "virtual CPUs (default 1)", PE_OPTION_NUMBER, &(o).cpus},                 \
        {"store",        0,                                                                          \
         "DIR",          "image store (default: images/ of the installation)",                       \
         PE_OPTION_TEXT, &(o).settings.store},                                                       \
        VM_FILES_OPTIONS(files)

/* ---- task ---- */

/* Returns the exit status. */
static int run_job(struct task *task, const struct task_options *options, struct pe_error *err)
{
    if (task_make_vm(task, err) < 0)
        return -1;
    if (options->hold && (task_report_ready(task, err) < 0 || task_hold(task, err) < 0))
        return -1;
    if (task_run(task, err) < 0)
        return -1;
    if (options->json)
        return task_report_json(task, err);
    return task_report_text(task, err) < 0 ? -1 : task_report_status(&task->output.result);
}

/* The task is freed before the caller closes the host that its VM needs. */
static int in_host(struct task_host *host, const struct task_options *options,
                   int (*work)(struct task *task, const struct task_options *options, struct pe_error *err),
                   struct pe_error *err)
{
    autotask struct task task = {.snapshot = VM_SNAPSHOT_NONE, .machine = MACHINE_NONE};
    pe_log_init("pe-vm");
    host->stop = task_catch_signals();
    if (task_host_open(host, options->engine, err) < 0 || task_open(&task, &options->settings, host, err) < 0)
        return -1;
    return work(&task, options, err);
}

int command_task(int argc, char **argv, struct pe_error *err)
{
    autotaskhost struct task_host host = TASK_HOST_NONE;
    struct task_options o = {
        .engine = "auto", .memory_mib = PE_GUEST_MEMORY_MIB, .cpus = 1, .timeout_ms = PE_TIMEOUT_MS_MAX};
    const struct pe_option options[] = {
        VM_OPTIONS(o, &host.files),
        {"timeout", 't', "MS", "time limit of the job (default 60000)", PE_OPTION_NUMBER, &o.timeout_ms},
        {"stdin", 0, "FILE", "standard input of the job (default: none)", PE_OPTION_TEXT,
         &o.settings.stdin_path},
        {"cold", 0, NULL, "a VM as for a job that waits: nothing is prepared in it", PE_OPTION_FLAG,
         &o.settings.cold},
        {"settle", 0, "MS", "wait between the VM and the job (default 0)", PE_OPTION_NUMBER, &o.settle_ms},
        {"template", 0, "FILES", "clone this snapshot, of a `pe-vm template` that runs", PE_OPTION_TEXT,
         &o.settings.template_files},
        {"hold", 0, NULL, "print a line when the VM is ready, and wait for a line before the job",
         PE_OPTION_FLAG, &o.hold},
        COMMAND_JSON_OPTION(o.json),
        {0}};
    const struct pe_program program = {
        .name = "pe-vm task",
        .usage = "--image IMAGE [options] [FILE...] [-- COMMAND...]",
        .about = "Make a VM as a worker does, run one job in it, and print where the time went.",
        .options = options};
    const int separator = find_separator(argc, argv);
    int rest = 0;
    if (pe_options_parse(&program, separator, argv, false, &rest, err) < 0 || check(&o, err) < 0)
        return -1;
    o.settings.files = argv + rest;
    o.settings.file_count = (size_t)(separator - rest);
    if (separator + 1 < argc) {
        o.settings.cmd = argv + separator + 1;
        o.settings.cmd_count = (size_t)(argc - separator - 1);
    }
    return in_host(&host, &o, run_job, err);
}

/* ---- template ---- */

static int keep_template(struct task *task, const struct task_options *options, struct pe_error *err)
{
    char bytes[64];
    (void)options;
    if (task->snapshot.memory_fd < 0)
        return pe_fail(err, PE_ERR_INVALID, "the engine %s has no snapshots", task->host->engine.name);
    if (task_report_template(task, err) < 0)
        return -1;
    while (read(STDIN_FILENO, bytes, sizeof bytes) > 0)
        ; /* a signal ends it as well */
    return 0;
}

int command_template(int argc, char **argv, struct pe_error *err)
{
    autotaskhost struct task_host host = TASK_HOST_NONE;
    struct task_options o = {
        .engine = "auto", .memory_mib = PE_GUEST_MEMORY_MIB, .cpus = 1, .timeout_ms = PE_TIMEOUT_MS_MAX};
    const struct pe_option options[] = {VM_OPTIONS(o, &host.files), {0}};
    const struct pe_program program = {
        .name = "pe-vm template",
        .usage = "--image IMAGE [options]",
        .about = "Make a snapshot for `pe-vm task --template`, print its files as JSON, and keep it until "
                 "standard input ends. Clones of one snapshot share its memory.",
        .options = options};
    int rest = 0;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0 || check(&o, err) < 0)
        return -1;
    if (rest < argc)
        return pe_fail(err, PE_ERR_INVALID, "unexpected argument '%s'; see pe-vm template --help",
                       argv[rest]);
    return in_host(&host, &o, keep_template, err);
}
