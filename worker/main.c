/* SPDX-License-Identifier: Apache-2.0 */
/* pe-worker: makes the configuration from the command line, checks what a worker needs and selects an engine.
 * Then the supervisor (worker/supervisor.c) takes over. */
#include "base/cleanup.h"
#include "base/home.h"
#include "base/io.h"
#include "base/log.h"
#include "doctor/report.h"
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
#include "worker/settings.h"
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

#define NICE_MOST 19

/* What is made from the settings. They and the configuration point to it. */
struct paths {
    char store[PATH_MAX], state[PATH_MAX], base[256], run[PATH_MAX];
    char templates[PATH_MAX], engines[PATH_MAX], cpus[PATH_MAX];
};

static int use_default_path(const char **path, const char *below, char *text, size_t size,
                            struct pe_error *err)
{
    if (*path)
        return 0;
    *path = text;
    return pe_home_path(below, text, size, err);
}

static int find_files(struct settings *settings, struct paths *paths, struct pe_error *err)
{
    if (use_default_path(&settings->store, "images", paths->store, sizeof paths->store, err) < 0)
        return -1;
    return vm_files_find(&settings->files, err);
}

/* Only a worker that runs as root can give its slots and VMMs other users. The lock is held until the worker
 * and all of its processes have ended. */
static int lock_users(struct worker_config *config, struct pe_error *err)
{
    if (geteuid() != 0)
        return 0;
    config->users.lock = vmm_users_lock(WORKER_DIR_HOST "/vmm-users", &config->users.first, err);
    if (config->users.lock < 0)
        return -1;
    config->vm.uid = config->vm.gid = (gid_t)config->users.first;
    config->users.own = true;
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
    config->users.own = false;
    config->vm.uid = user->pw_uid;
    config->vm.gid = user->pw_gid;
    return 0;
}

static int make_folders(struct settings *settings, struct paths *paths, struct worker_config *config,
                        struct pe_error *err)
{
    char kinds[PE_ISOLATION_TEXT_MAX];
    if (use_default_path(&settings->state, "state", paths->state, sizeof paths->state, err) < 0)
        return -1;
    if (!settings->run)
        settings->run = worker_dir_usual(paths->base, sizeof paths->base);
    const char *shared = geteuid() == 0 ? WORKER_DIR_HOST : settings->run;
    snprintf(paths->cpus, sizeof paths->cpus, "%s/vmm-cpus", shared);
    snprintf(paths->templates, sizeof paths->templates, "%s/templates", settings->state);
    /* A worker with --isolation remembers its engine apart from one without, so that pe-run, which
     * passes on that option of its own, does not try the engines again each time. */
    snprintf(paths->engines, sizeof paths->engines, "%s/engines%s%s", settings->state,
             settings->isolation ? "-" : "", pe_isolation_set_print(settings->isolation_set, "+", kinds));
    config->cpu_file = paths->cpus;
    config->templates.dir = paths->templates;
    config->vm.run_dir = paths->run;
    if (worker_dir_ensure(config->templates.dir, err) < 0 || worker_dir_ensure(shared, err) < 0)
        return -1;
    return worker_dir_make(settings->run, paths->run, sizeof paths->run, err);
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

static int make_config(struct settings *settings, struct paths *paths, struct worker_config *config,
                       struct pe_error *err)
{
    *config = (struct worker_config){
        .servers = settings->servers.items,
        .server_count = settings->servers.count,
        .store = settings->store,
        .slots = (uint32_t)settings->slots,
        .ahead = (uint32_t)settings->ahead,
        .memory_mib = (uint32_t)settings->memory_mib,
        .owner = {.hours = settings->hours,
                  .pause_grace_s = (uint32_t)settings->owner.pause_grace_s,
                  .memory_total = settings->owner.memory_total,
                  .idle_only = settings->owner.idle_only,
                  .idle_after_s = (uint32_t)settings->owner.idle_after_s,
                  .idle_cpu_percent = (uint32_t)settings->owner.idle_cpu_percent,
                  .sign = OWNER_UNKNOWN},
        .warm = {.images = settings->warm.items,
                 .count = settings->warm.count,
                 .refills = (uint32_t)settings->refills,
                 .prewarm_slots = (uint32_t)settings->prewarm_slots,
                 .new_containers = settings->new_containers,
                 .no_warm_up = settings->no_warm_up},
        .templates = {.mib = settings->templates_mib},
        .metrics_file = settings->metrics,
        .users = {.lock = -1},
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
    stop_signal_catch(); /* from here on there is something to remove */
    return make_folders(settings, paths, config, err);
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
        return doctor_run(config, config->engine.probe, settings->json, err);
    if (worker_engine_choose(config, settings->probe_again, err) < 0)
        return stop_requested ? 0 : -1;
    if (config->owner.idle_only)
        (void)!setpriority(PRIO_PROCESS, 0, NICE_MOST); /* until the worker notices the owner */
    if (config->owner.memory_total && owner_memory_apply(config, config->owner.memory_total, err) < 0)
        return -1;
    config->templates.listener = template_channel_listen(config, err);
    config->status_listener = config->templates.listener < 0 ? -1 : status_listen(config, err);
    config->metrics = config->status_listener < 0 ? NULL : metrics_make(err);
    const int status = config->metrics ? supervisor_run(config, err) : -1;
    vm_host_release(&config->vm);
    return status;
}

static int run(int argc, char **argv, struct settings *settings, struct paths *paths, struct pe_error *err)
{
    struct worker_config config;
    if (settings_parse(settings, argc, argv, err) < 0)
        return -1;
    if (settings->die_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return pe_fail_errno(err, "cannot set up --die-with-parent");
    if (find_files(settings, paths, err) < 0)
        return -1;
    int failed = make_config(settings, paths, &config, err) < 0;
    const struct probe probe = {.wish = {.name = settings->vmm, .isolation = settings->isolation_set},
                                .result_file = paths->engines,
                                .uml_seccomp = settings->uml_seccomp,
                                .again = settings->probe_again};
    config.engine.probe = &probe;
    const int status = failed ? -1 : work(settings, &config, err);
    if (config.vm.run_dir)
        worker_dir_remove(config.vm.run_dir);
    return status < 0 || settings->doctor ? status : 0;
}

int main(int argc, char **argv)
{
    struct pe_error err;
    const bool is_doctor = argc > 1 && !strcmp(argv[1], "doctor"); /* also if the options are wrong */
    struct settings settings = {.doctor = false};
    struct paths paths = {.run = ""};
    pe_log_init("pe-worker");
    if (argc > 1 && !strcmp(argv[1], "join"))
        return join_main(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "status"))
        return status_main(argc - 1, argv + 1);
    heap_return_large_blocks();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    const int status = run(argc, argv, &settings, &paths, &err);
    if (status < 0)
        fprintf(stderr, "pe-worker: %s\n", err.message);
    settings_free(&settings);
    curl_global_cleanup();
    if (status < 0)
        return is_doctor ? DOCTOR_EXIT_USAGE : 1;
    return status;
}
