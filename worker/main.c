/* SPDX-License-Identifier: Apache-2.0 */
/* pe-worker: parses the command line, checks what a worker needs and selects an engine. Then the
 * supervisor (worker/supervisor.c) takes over. */
#include "base/cleanup.h"
#include "base/home.h"
#include "base/io.h"
#include "base/log.h"
#include "base/options.h"
#include "doctor/report.h"
#include "proto/limits.h"
#include "worker/balancer_discovery.h"
#include "worker/config.h"
#include "worker/doctor.h"
#include "worker/heap.h"
#include "worker/host/vm_files.h"
#include "worker/host/vmm_users.h"
#include "worker/host/worker_dir.h"
#include "worker/join.h"
#include "worker/metrics.h"
#include "worker/owner_limits.h"
#include "worker/owner_options.h"
#include "worker/status_command.h"
#include "worker/status_server.h"
#include "worker/stop_signal.h"
#include "worker/supervisor.h"
#include "worker/template_channel.h"
#include "worker/token.h"
#include "worker/vmm/probe.h"
#include "worker/vmm/user_namespace.h"
#include "worker/worker_engine.h"

#include <curl/curl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The value of an option that was not given, and whose default depends on others. */
#define NOT_GIVEN UINT64_MAX

#define SLOTS_MAX 1024u
#define TEMPLATES_MIB_MAX (1u << 24)

#define NICE_MOST 19

struct settings {
    const char *token_file, *ca, *proxy, *store, *name, *vmm, *user, *isolation;
    struct vm_files files;
    const char *state, *run, *metrics;
    struct pe_option_list servers, warm, vmm_paths;
    struct owner_options owner;
    struct owner_hours hours;              /* from `owner` */
    struct pe_isolation_set isolation_set; /* from `isolation`; empty: any */
    uint64_t slots, ahead, memory_mib, templates_mib, refills, prewarm_slots;
    bool doctor, json, die_with_parent, probe_again, new_containers, no_warm_up, uml_seccomp;
    char store_path[PATH_MAX], state_path[PATH_MAX];
    char template_path[PATH_MAX], engine_path[PATH_MAX], cpu_path[PATH_MAX];
};

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

static int check_settings(struct settings *settings, struct pe_error *err)
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

static int parse_command_line(int argc, char **argv, struct settings *settings, struct pe_error *err)
{
    const struct pe_option options[] = {
        {"server", 's', "URL",
         "a balancer: http://HOST:PORT, https://..., unix:/path, or http+srv://NAME; repeatable",
         PE_OPTION_LIST, &settings->servers},
        {"token-file", 0, "FILE", "file with the bearer token for the balancer", PE_OPTION_TEXT,
         &settings->token_file},
        {"ca", 0, "FILE", "trust only the certificates in FILE, PEM, for the balancer", PE_OPTION_TEXT,
         &settings->ca},
        {"proxy", 0, "URL", "HTTP proxy on the way to the balancer (default: as https_proxy says)",
         PE_OPTION_TEXT, &settings->proxy},
        {"name", 0, "NAME", "name of this worker (default: the hostname and a random number)", PE_OPTION_TEXT,
         &settings->name},
        {"slots", 'n', "N", "run N jobs at the same time (default: one for each CPU)", PE_OPTION_NUMBER,
         &settings->slots},
        {"ahead", 0, "K", "keep K more jobs ready to start (default: a quarter of --slots)", PE_OPTION_NUMBER,
         &settings->ahead},
        {"memory", 'm', "MIB", "memory that a job may use (default 1024)", PE_OPTION_NUMBER,
         &settings->memory_mib},
        OWNER_OPTIONS(&settings->owner),
        {"warm", 'w', "IMAGE", "make the first warm VMs for IMAGE; repeatable", PE_OPTION_LIST,
         &settings->warm},
        {"store", 0, "DIR", "image store (default: images/ of the installation)", PE_OPTION_TEXT,
         &settings->store},
        {"state", 0, "DIR", "folder for what survives a restart (default: state/ of the installation)",
         PE_OPTION_TEXT, &settings->state},
        {"run-dir", 0, "DIR", "folder for sockets (default: below /run, or $XDG_RUNTIME_DIR)", PE_OPTION_TEXT,
         &settings->run},
        {"metrics-file", 0, "FILE", "write metrics to FILE every 10 s, in Prometheus' text format",
         PE_OPTION_TEXT, &settings->metrics},
        {"vmm", 0, "ENGINE", "auto (the default: the best that works), kvm, uml, tcg or an engine's name",
         PE_OPTION_TEXT, &settings->vmm},
        {"isolation", 0, "KINDS", "use only engines with these: hardware, kernel, emulation", PE_OPTION_TEXT,
         &settings->isolation},
        {"probe-again", 0, NULL, "try every engine again, instead of using the remembered result",
         PE_OPTION_FLAG, &settings->probe_again},
        {"templates", 0, "MIB", "bound on templates on disk, and in memory (default 4096)", PE_OPTION_NUMBER,
         &settings->templates_mib},
        {"refills", 0, "N", "start N warm VMs at the same time (default: one for each CPU)", PE_OPTION_NUMBER,
         &settings->refills},
        {"prewarm", 0, "N", "prewarm the emulated VMs of N slots (default: two for each CPU)",
         PE_OPTION_NUMBER, &settings->prewarm_slots},
        {"new-containers", 0, NULL, "create the container of a job when the job arrives", PE_OPTION_FLAG,
         &settings->new_containers},
        {"no-warm-up", 0, NULL,
         "boot VMs without the image's warm-up command: for a worker that runs one job", PE_OPTION_FLAG,
         &settings->no_warm_up},
        VM_FILES_OPTIONS(&settings->files),
        {"uml-seccomp", 0, NULL,
         "let User Mode Linux use seccomp instead of ptrace: only for trusted programs", PE_OPTION_FLAG,
         &settings->uml_seccomp},
        {"vmm-path", 0, "PATH", "let VMMs read PATH, too, a file or a folder; repeatable", PE_OPTION_LIST,
         &settings->vmm_paths},
        {"vmm-user", 0, "NAME", "user of all VMMs if this runs as root (default: one user for each slot)",
         PE_OPTION_TEXT, &settings->user},
        {"json", 0, NULL, "print what `doctor` says as JSON, for scripts", PE_OPTION_FLAG, &settings->json},
        {"die-with-parent", 0, NULL, "exit when the program that started this one exits", PE_OPTION_FLAG,
         &settings->die_with_parent},
        {0}};
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
    return read_arguments(settings, argc - rest, argv + rest, err) < 0 ? -1 : check_settings(settings, err);
}

static int use_default_path(const char **path, const char *below, char *text, size_t size,
                            struct pe_error *err)
{
    if (*path)
        return 0;
    *path = text;
    return pe_home_path(below, text, size, err);
}

static int find_files(struct settings *settings, struct pe_error *err)
{
    if (use_default_path(&settings->store, "images", settings->store_path, sizeof settings->store_path, err) <
        0)
        return -1;
    return vm_files_find(&settings->files, err);
}

/* Only a worker that runs as root can give its slots and VMMs other users. The lock is held until the worker
 * and all of its processes have ended. */
static int lock_users(struct worker_config *config, struct pe_error *err)
{
    if (geteuid() != 0)
        return 0;
    config->users_lock = vmm_users_lock(WORKER_DIR_HOST "/vmm-users", &config->users, err);
    if (config->users_lock < 0)
        return -1;
    config->vm.uid = config->vm.gid = (gid_t)config->users;
    config->own_users = true;
    return 0;
}

static int find_user(const char *name, struct worker_config *config, struct pe_error *err)
{
    if (lock_users(config, err) < 0)
        return -1;
    if (!name)
        return 0;
    const struct passwd *user = getpwnam(name);
    if (!user)
        return pe_fail(err, PE_ERR_NOT_FOUND,
                       "the user '%s' for VMMs does not exist; choose another one with --vmm-user", name);
    config->own_users = false;
    config->vm.uid = user->pw_uid;
    config->vm.gid = user->pw_gid;
    return 0;
}

static int make_folders(struct settings *settings, struct worker_config *config, struct pe_error *err)
{
    static char base[256], run_dir[PATH_MAX];
    char kinds[PE_ISOLATION_TEXT_MAX];
    if (use_default_path(&settings->state, "state", settings->state_path, sizeof settings->state_path, err) <
        0)
        return -1;
    if (!settings->run)
        settings->run = worker_dir_usual(base, sizeof base);
    const char *shared = geteuid() == 0 ? WORKER_DIR_HOST : settings->run;
    snprintf(settings->cpu_path, sizeof settings->cpu_path, "%s/vmm-cpus", shared);
    config->cpu_file = settings->cpu_path;
    snprintf(settings->template_path, sizeof settings->template_path, "%s/templates", settings->state);
    /* A worker with --isolation remembers its engine apart from one without, so that pe-run, which
     * passes on that option of its own, does not try the engines again each time. */
    snprintf(settings->engine_path, sizeof settings->engine_path, "%s/engines%s%s", settings->state,
             settings->isolation ? "-" : "", pe_isolation_set_print(settings->isolation_set, "+", kinds));
    config->template_dir = settings->template_path;
    config->vm.run_dir = run_dir;
    if (worker_dir_ensure(config->template_dir, err) < 0 || worker_dir_ensure(shared, err) < 0)
        return -1;
    return worker_dir_make(settings->run, run_dir, sizeof run_dir, err);
}

static void choose_name(const struct settings *settings, struct worker_config *config)
{
    char hostname[64] = "worker", number[9];
    gethostname(hostname, sizeof hostname - 1);
    pe_random_hex(number, 4);
    if (settings->name)
        snprintf(config->name, sizeof config->name, "%s", settings->name);
    else
        snprintf(config->name, sizeof config->name, "%s-%s", hostname, number);
}

/* Read the token. The doctor reports a file that cannot be used like everything else that is wrong. */
static int keep_token(const struct settings *settings, struct worker_config *config, struct pe_error *err)
{
    static char fault[sizeof err->message];
    if (!settings->token_file || (config->token_fd = token_keep(settings->token_file, err)) >= 0)
        return 0;
    if (!settings->doctor)
        return -1;
    snprintf(fault, sizeof fault, "%s", err->message);
    config->token_fault = fault;
    return 0;
}

static int make_config(struct settings *settings, struct worker_config *config, struct pe_error *err)
{
    *config = (struct worker_config){
        .servers = settings->servers.items,
        .server_count = settings->servers.count,
        .store = settings->store,
        .warm = settings->warm.items,
        .warm_count = settings->warm.count,
        .slots = (uint32_t)settings->slots,
        .ahead = (uint32_t)settings->ahead,
        .memory_mib = (uint32_t)settings->memory_mib,
        .memory_total = settings->owner.memory_total,
        .hours = settings->hours,
        .idle_only = settings->owner.idle_only,
        .idle_after_s = (uint32_t)settings->owner.idle_after_s,
        .idle_cpu_percent = (uint32_t)settings->owner.idle_cpu_percent,
        .owner_sign = OWNER_UNKNOWN,
        .pause_grace_s = (uint32_t)settings->owner.pause_grace_s,
        .new_containers = settings->new_containers,
        .no_warm_up = settings->no_warm_up,
        .template_mib = settings->templates_mib,
        .refills = (uint32_t)settings->refills,
        .prewarm_slots = (uint32_t)settings->prewarm_slots,
        .metrics_file = settings->metrics,
        .users_lock = -1,
        .token_fd = -1,
        .status_listener = -1,
        .vm = {.vmm_paths = settings->vmm_paths.items, .vmm_path_count = settings->vmm_paths.count}};
    vm_files_apply(&settings->files, &config->vm);
    choose_name(settings, config);
    config->discovered = balancer_discovery_share(err);
    if (!config->discovered ||
        balancer_list_make(config->servers, config->server_count, &config->balancers, err) < 0)
        return -1;
    config->route.proxy = settings->proxy;
    if (settings->ca && pe_route_read_ca(&config->route, settings->ca, err) < 0)
        return -1;
    if (keep_token(settings, config, err) < 0)
        return -1;
    if (find_user(settings->user, config, err) < 0)
        return -1;
    return make_folders(settings, config, err);
}

static void make_user_namespace(void)
{
    struct pe_error err;
    if (user_namespace_enter(&err) < 0)
        pe_log(PE_LOG_WARN, "VMMs get no namespaces of their own: %s", err.message);
}

static int work(const struct settings *settings, struct worker_config *config, struct pe_error *err)
{
    make_user_namespace();
    if (settings->doctor)
        return doctor_run(config, config->probe, settings->json, err);
    if (worker_engine_choose(config, settings->probe_again, err) < 0)
        return stop_requested ? 0 : -1;
    if (config->idle_only)
        (void)!setpriority(PRIO_PROCESS, 0, NICE_MOST); /* until the worker notices the owner */
    if (config->memory_total && owner_memory_apply(config, config->memory_total, err) < 0)
        return -1;
    config->template_listener = template_channel_listen(config, err);
    config->status_listener = config->template_listener < 0 ? -1 : status_listen(config, err);
    config->metrics = config->status_listener < 0 ? NULL : metrics_make(err);
    const int status = config->metrics ? supervisor_run(config, err) : -1;
    vm_host_release(&config->vm);
    return status;
}

static int run(int argc, char **argv, struct settings *settings, struct pe_error *err)
{
    struct worker_config config;
    if (parse_command_line(argc, argv, settings, err) < 0)
        return -1;
    if (settings->die_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return pe_fail_errno(err, "cannot set up --die-with-parent");
    if (find_files(settings, err) < 0)
        return -1;
    stop_signal_catch();
    int failed = make_config(settings, &config, err) < 0;
    const struct probe probe = {.wish = {.name = settings->vmm, .isolation = settings->isolation_set},
                                .result_file = settings->engine_path,
                                .uml_seccomp = settings->uml_seccomp,
                                .again = settings->probe_again};
    config.probe = &probe;
    const int status = failed ? -1 : work(settings, &config, err);
    if (config.vm.run_dir)
        worker_dir_remove(config.vm.run_dir);
    return status < 0 || settings->doctor ? status : 0;
}

int main(int argc, char **argv)
{
    struct pe_error err;
    const bool is_doctor = argc > 1 && !strcmp(argv[1], "doctor"); /* also if the options are wrong */
    struct settings settings = {.vmm = "auto",
                                .slots = NOT_GIVEN,
                                .ahead = NOT_GIVEN,
                                .refills = NOT_GIVEN,
                                .prewarm_slots = NOT_GIVEN,
                                .owner = OWNER_DEFAULTS,
                                .templates_mib = 4096,
                                .memory_mib = PE_GUEST_MEMORY_MIB};
    pe_log_init("pe-worker");
    if (argc > 1 && !strcmp(argv[1], "join"))
        return join_main(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "status"))
        return status_main(argc - 1, argv + 1);
    heap_return_large_blocks();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    const int status = run(argc, argv, &settings, &err);
    if (status < 0)
        fprintf(stderr, "pe-worker: %s\n", err.message);
    pe_option_list_free(&settings.servers);
    pe_option_list_free(&settings.warm);
    pe_option_list_free(&settings.vmm_paths);
    owner_options_free(&settings.owner);
    curl_global_cleanup();
    if (status < 0)
        return is_doctor ? DOCTOR_EXIT_USAGE : 1;
    return status;
}
