/* SPDX-License-Identifier: Apache-2.0 */
/* The table of options of pe-worker, their defaults, and checks. */
#include "worker/settings.h"

#include "proto/limits.h"
#include "worker/config.h"
#include "worker/owner_limits.h"
#include "worker/vmm/engine_selection.h"

#include <string.h>

/* The value of an option that was not given, and whose default depends on others. */
#define NOT_GIVEN UINT64_MAX

#define SLOTS_MAX 1024u
#define TEMPLATES_MIB_MAX (1u << 24)

/* What the owner of the host decides. Defaults depend on the CPUs that the worker may use. */
static int check_owner(struct settings *settings, struct pe_error *err)
{
    if (owner_options_check(&settings->owner, &settings->hours, err) < 0 ||
        (settings->owner.cores && owner_cores_apply(settings->owner.cores, err) < 0))
        return -1;
    const uint64_t cpus = owner_cores_count();
    if (settings->slots == NOT_GIVEN)
        settings->slots = cpus;
    if (settings->refills == NOT_GIVEN)
        settings->refills = cpus;
    if (settings->prewarm_slots == NOT_GIVEN)
        settings->prewarm_slots = 2 * cpus;
    return 0;
}

/* The options that bound how much is done at the same time, and with how much memory. */
static int check_amounts(struct settings *settings, struct pe_error *err)
{
    if (settings->slots < 1 || settings->slots > SLOTS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--slots must be between 1 and %u", SLOTS_MAX);
    if (settings->ahead == NOT_GIVEN)
        settings->ahead = settings->slots / 4;
    if (settings->ahead > settings->slots)
        return pe_fail(err, PE_ERR_INVALID, "--ahead must not be larger than --slots, which is %llu",
                       (unsigned long long)settings->slots);
    if (settings->memory_mib < 256 || settings->memory_mib > 65536)
        return pe_fail(err, PE_ERR_INVALID, "--memory must be between 256 and 65536 MiB");
    if (settings->refills < 1 || settings->refills > UINT32_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--refills must be between 1 and %u", UINT32_MAX);
    if (settings->prewarm_slots > UINT32_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--prewarm must be at most %u", UINT32_MAX);
    if (settings->templates_mib > TEMPLATES_MIB_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--templates must be at most %u MiB", TEMPLATES_MIB_MAX);
    return 0;
}

/* What the table of options cannot say. */
static int check(struct settings *settings, struct pe_error *err)
{
    if (!settings->servers.count && !settings->doctor)
        return pe_fail(err, PE_ERR_INVALID,
                       "--server URL is missing: it names the balancer; see pe-worker --help");
    if (check_owner(settings, err) < 0 || check_amounts(settings, err) < 0)
        return -1;
    if (settings->name && strlen(settings->name) > WORKER_NAME_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--name %.40s… is longer than %u bytes", settings->name,
                       WORKER_NAME_MAX);
    if (settings->isolation && pe_isolation_set_parse(settings->isolation, &settings->isolation_set, err) < 0)
        return pe_fail_context(err, "--isolation");
    for (size_t i = 0; i < settings->vmm_paths.count; i++)
        if (settings->vmm_paths.items[i][0] != '/')
            return pe_fail(err, PE_ERR_INVALID, "--vmm-path %s: the path must begin with /",
                           settings->vmm_paths.items[i]);
    return 0;
}

/* Read what is left behind the options. */
static int read_arguments(struct settings *settings, int count, char **arguments, struct pe_error *err)
{
    settings->doctor = count && !strcmp(arguments[0], "doctor");
    if (settings->json && !settings->doctor)
        return pe_fail(err, PE_ERR_INVALID, "--json is an option of `pe-worker doctor`");
    if (count > settings->doctor)
        return pe_fail(err, PE_ERR_INVALID, "unexpected argument '%s'; see pe-worker --help",
                       arguments[settings->doctor]);
    if (!strcmp(settings->vmm, "uml+boot" ENGINE_UML_SECCOMP))
        settings->uml_seccomp = true;
    return 0;
}

static int parse_arguments(struct settings *settings, const struct pe_option *options, int argc, char **argv,
                           struct pe_error *err)
{
    const struct pe_program program = {
        .name = "pe-worker",
        .usage = "--server URL [options], or pe-worker doctor|join|status [options]",
        .about = "Connects to a Program Explorer balancer and runs its jobs, each in a fresh VM.",
        .options = options,
        .epilogue = "`pe-worker doctor` says what this host offers for running jobs, and what is missing.\n"
                    "`pe-worker join URL` makes this host a worker of the balancer there; see its --help.\n"
                    "`pe-worker status` says what the workers of this host do."};
    int rest = 0;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0)
        return -1;
    return read_arguments(settings, argc - rest, argv + rest, err);
}

static void add_balancer_options(struct settings *s, struct pe_option_table *table)
{
    const struct pe_option options[] = {
        {"server", 's', "URL",
         "a balancer: http://HOST:PORT, https://..., unix:/path, or http+srv://NAME; repeatable",
         PE_OPTION_LIST, &s->servers},
        {"token-file", 0, "FILE", "file with the bearer token for the balancer", PE_OPTION_TEXT,
         &s->token_file},
        {"ca", 0, "FILE", "trust only the certificates in FILE, PEM, for the balancer", PE_OPTION_TEXT,
         &s->ca},
        {"proxy", 0, "URL", "HTTP proxy on the way to the balancer (default: as https_proxy says)",
         PE_OPTION_TEXT, &s->proxy},
        {"name", 0, "NAME", "name of this worker (default: the hostname and a random number)", PE_OPTION_TEXT,
         &s->name},
    };
    pe_option_table_add(table, options, sizeof options / sizeof *options);
}

static void add_job_options(struct settings *s, struct pe_option_table *table)
{
    const struct pe_option options[] = {
        {"slots", 'n', "N", "run N jobs at the same time (default: one for each CPU)", PE_OPTION_NUMBER,
         &s->slots},
        {"ahead", 0, "K", "keep K more jobs ready to start (default: a quarter of --slots)", PE_OPTION_NUMBER,
         &s->ahead},
        {"memory", 'm', "MIB", "memory that a job may use (default 1024)", PE_OPTION_NUMBER, &s->memory_mib},
        OWNER_OPTIONS(&s->owner),
        {"warm", 'w', "IMAGE", "make the first warm VMs for IMAGE; repeatable", PE_OPTION_LIST, &s->warm},
    };
    pe_option_table_add(table, options, sizeof options / sizeof *options);
}

static void add_folder_options(struct settings *s, struct pe_option_table *table)
{
    const struct pe_option options[] = {
        {"store", 0, "DIR", "image store (default: images/ of the installation)", PE_OPTION_TEXT, &s->store},
        {"state", 0, "DIR", "folder for what survives a restart (default: state/ of the installation)",
         PE_OPTION_TEXT, &s->state},
        {"run-dir", 0, "DIR", "folder for sockets (default: below /run, or $XDG_RUNTIME_DIR)", PE_OPTION_TEXT,
         &s->run},
        {"metrics-file", 0, "FILE", "write metrics to FILE every 10 s, in Prometheus' text format",
         PE_OPTION_TEXT, &s->metrics},
    };
    pe_option_table_add(table, options, sizeof options / sizeof *options);
}

static void add_engine_options(struct settings *s, struct pe_option_table *table)
{
    const struct pe_option options[] = {
        {"vmm", 0, "ENGINE", "auto (the default: the best that works), kvm, uml, tcg or an engine's name",
         PE_OPTION_TEXT, &s->vmm},
        {"isolation", 0, "KINDS", "use only engines with these: hardware, kernel, emulation", PE_OPTION_TEXT,
         &s->isolation},
        {"probe-again", 0, NULL, "try every engine again, instead of using the remembered result",
         PE_OPTION_FLAG, &s->probe_again},
    };
    pe_option_table_add(table, options, sizeof options / sizeof *options);
}

static void add_warm_vm_options(struct settings *s, struct pe_option_table *table)
{
    const struct pe_option options[] = {
        {"templates", 0, "MIB", "bound on templates on disk, and in memory (default 4096)", PE_OPTION_NUMBER,
         &s->templates_mib},
        {"refills", 0, "N", "start N warm VMs at the same time (default: one for each CPU)", PE_OPTION_NUMBER,
         &s->refills},
        {"prewarm", 0, "N", "prewarm the emulated VMs of N slots (default: two for each CPU)",
         PE_OPTION_NUMBER, &s->prewarm_slots},
        {"new-containers", 0, NULL, "create the container of a job when the job arrives", PE_OPTION_FLAG,
         &s->new_containers},
        {"no-warm-up", 0, NULL,
         "boot VMs without the image's warm-up command: for a worker that runs one job", PE_OPTION_FLAG,
         &s->no_warm_up},
    };
    pe_option_table_add(table, options, sizeof options / sizeof *options);
}

static void add_vmm_options(struct settings *s, struct pe_option_table *table)
{
    const struct pe_option options[] = {
        VM_FILES_OPTIONS(&s->files),
        {"uml-seccomp", 0, NULL,
         "let User Mode Linux use seccomp instead of ptrace: only for trusted programs", PE_OPTION_FLAG,
         &s->uml_seccomp},
        {"vmm-path", 0, "PATH", "let VMMs read PATH, too, a file or a folder; repeatable", PE_OPTION_LIST,
         &s->vmm_paths},
        {"vmm-user", 0, "NAME", "user of all VMMs if this runs as root (default: one user for each slot)",
         PE_OPTION_TEXT, &s->user},
    };
    pe_option_table_add(table, options, sizeof options / sizeof *options);
}

static void add_process_options(struct settings *s, struct pe_option_table *table)
{
    const struct pe_option options[] = {
        {"json", 0, NULL, "print what `doctor` says as JSON, for scripts", PE_OPTION_FLAG, &s->json},
        {"die-with-parent", 0, NULL, "exit when the program that started this one exits", PE_OPTION_FLAG,
         &s->die_with_parent},
    };
    pe_option_table_add(table, options, sizeof options / sizeof *options);
}

int settings_parse(struct settings *s, int argc, char **argv, struct pe_error *err)
{
    struct pe_option_table table = {.count = 0};
    *s = (struct settings){.vmm = "auto",
                           .slots = NOT_GIVEN,
                           .ahead = NOT_GIVEN,
                           .refills = NOT_GIVEN,
                           .prewarm_slots = NOT_GIVEN,
                           .owner = OWNER_DEFAULTS,
                           .templates_mib = 4096,
                           .memory_mib = PE_GUEST_MEMORY_MIB};
    add_balancer_options(s, &table);
    add_job_options(s, &table);
    add_folder_options(s, &table);
    add_engine_options(s, &table);
    add_warm_vm_options(s, &table);
    add_vmm_options(s, &table);
    add_process_options(s, &table);
    return parse_arguments(s, table.items, argc, argv, err) < 0 ? -1 : check(s, err);
}

void settings_free(struct settings *settings)
{
    pe_option_list_free(&settings->servers);
    pe_option_list_free(&settings->warm);
    pe_option_list_free(&settings->vmm_paths);
    owner_options_free(&settings->owner);
}
