/* pe-worker: command line and checks of what a worker host needs; then the supervisor takes over. */
#include "base/cleanup.h"
#include "base/home.h"
#include "base/io.h"
#include "base/log.h"
#include "base/options.h"
#include "proto/limits.h"
#include "worker/config.h"
#include "worker/supervisor.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct settings {
    const char *server, *token_file, *store, *warm, *host, *accel, *kernel, *initramfs, *qemu, *user;
    uint64_t slots, memory_mib;
    bool die_with_parent;
    char store_path[PATH_MAX], kernel_path[PATH_MAX], initramfs_path[PATH_MAX];
    struct pe_buf token;
};

static int parse_command_line(int argc, char **argv, struct settings *settings, struct pe_error *err)
{
    const struct pe_option options[] = {
        {"server", 's', "URL", "balancer: http://host:port, https://… or unix:/path", PE_OPTION_TEXT,
         &settings->server},
        {"token-file", 0, "FILE", "bearer token for the balancer", PE_OPTION_TEXT, &settings->token_file},
        {"slots", 'n', "N", "VMs that run at once (default: one per CPU)", PE_OPTION_NUMBER,
         &settings->slots},
        {"warm", 'w', "IMAGE", "image that the first warm VMs are made for", PE_OPTION_TEXT, &settings->warm},
        {"store", 0, "DIR", "image store (default: images/ of the installation)", PE_OPTION_TEXT,
         &settings->store},
        {"host", 0, "NAME", "this host's name (default: its hostname and a number)", PE_OPTION_TEXT,
         &settings->host},
        {"accel", 0, "HOW", "auto, kvm or tcg (default auto: kvm where it truly works)", PE_OPTION_TEXT,
         &settings->accel},
        {"memory", 'm', "MIB", "memory that a job may use (default 1024)", PE_OPTION_NUMBER,
         &settings->memory_mib},
        {"kernel", 0, "FILE", "guest kernel (default: guest/vmlinux of the installation)", PE_OPTION_TEXT,
         &settings->kernel},
        {"initramfs", 0, "FILE", "guest initramfs (default: guest/initramfs.cpio)", PE_OPTION_TEXT,
         &settings->initramfs},
        {"qemu", 0, "FILE", "QEMU (default /usr/bin/qemu-system-x86_64)", PE_OPTION_TEXT, &settings->qemu},
        {"vmm-user", 0, "NAME", "whom VMMs run as when this runs as root (default nobody)", PE_OPTION_TEXT,
         &settings->user},
        {"die-with-parent", 0, NULL, "end when the program that started this one ends", PE_OPTION_FLAG,
         &settings->die_with_parent},
        {0}};
    const struct pe_program program = {
        .name = "pe-worker",
        .usage = "--server URL [options]",
        .about = "Runs jobs of a Program Explorer balancer, each in a fresh microVM.",
        .options = options};
    int rest = 0;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0)
        return -1;
    if (rest < argc)
        return pe_fail(err, PE_ERR_INVALID, "unexpected argument '%s'; see pe-worker --help", argv[rest]);
    if (!settings->server)
        return pe_fail(err, PE_ERR_INVALID,
                       "--server is missing: which balancer to work for; see pe-worker --help");
    if (settings->slots < 1 || settings->slots > 1024)
        return pe_fail(err, PE_ERR_INVALID, "--slots must be from 1 to 1024");
    if (settings->memory_mib < 256 || settings->memory_mib > 65536)
        return pe_fail(err, PE_ERR_INVALID, "--memory must be from 256 to 65536 MiB");
    return 0;
}

static int use_default_path(const char **path, const char *below, char *text, size_t size,
                            struct pe_error *err)
{
    if (*path)
        return 0;
    *path = text;
    return pe_home_path(below, text, size, err);
}

static int check_file(const char *path, const char *remedy, struct pe_error *err)
{
    if (access(path, R_OK) == 0)
        return 0;
    pe_fail_errno(err, "%s", path);
    return pe_fail_context(err, "%s", remedy);
}

static int find_files(struct settings *settings, struct pe_error *err)
{
    if (use_default_path(&settings->store, "images", settings->store_path, sizeof settings->store_path, err) <
            0 ||
        use_default_path(&settings->kernel, "guest/vmlinux", settings->kernel_path,
                         sizeof settings->kernel_path, err) < 0 ||
        use_default_path(&settings->initramfs, "guest/initramfs.cpio", settings->initramfs_path,
                         sizeof settings->initramfs_path, err) < 0)
        return -1;
    if (check_file(settings->qemu, "QEMU is missing (apt-get install qemu-system-x86, or --qemu)", err) < 0 ||
        check_file(settings->kernel, "the guest kernel is missing (make guest, or --kernel)", err) < 0 ||
        check_file(settings->initramfs, "the guest initramfs is missing (make guest, or --initramfs)", err) <
            0)
        return -1;
    return 0;
}

/* The token is the file's first line. It goes into a header, so it must be printable. */
static int read_token(struct settings *settings, struct worker_config *config, struct pe_error *err)
{
    if (!settings->token_file)
        return 0;
    if (pe_read_file(AT_FDCWD, settings->token_file, 4096, &settings->token, err) < 0 ||
        pe_buf_append(&settings->token, "", 1, err) < 0)
        return -1;
    char *token = (char *)settings->token.data;
    token[strcspn(token, "\r\n")] = '\0';
    for (const char *c = token; *c; c++)
        if (*c < 0x21 || *c > 0x7e)
            return pe_fail(err, PE_ERR_INVALID, "token file %s has characters that are not printable ASCII",
                           settings->token_file);
    config->token = token;
    return 0;
}

static int find_user(const char *name, struct vm_host *vm, struct pe_error *err)
{
    const struct passwd *user = getpwnam(name);
    if (!user)
        return pe_fail(err, PE_ERR_NOT_FOUND,
                       "user '%s' for VMMs does not exist; choose another with --vmm-user", name);
    vm->uid = user->pw_uid;
    vm->gid = user->pw_gid;
    return 0;
}

static void name_host(const struct settings *settings, struct worker_config *config)
{
    char hostname[64] = "worker", number[9];
    gethostname(hostname, sizeof hostname - 1);
    pe_random_hex(number, 4);
    if (settings->host)
        snprintf(config->host, sizeof config->host, "%s", settings->host);
    else
        snprintf(config->host, sizeof config->host, "%s-%s", hostname, number);
}

static int make_config(struct settings *settings, struct worker_config *config, struct pe_error *err)
{
    *config = (struct worker_config){
        .server = settings->server,
        .store = settings->store,
        .warm = settings->warm,
        .slots = (uint32_t)settings->slots,
        .memory_mib = (uint32_t)settings->memory_mib,
        .vm = {.kernel = settings->kernel, .initramfs = settings->initramfs, .qemu = settings->qemu}};
    name_host(settings, config);
    if (read_token(settings, config, err) < 0 || find_user(settings->user, &config->vm, err) < 0)
        return -1;
    return vm_choose_accel(&config->vm, settings->accel, config->vmm_reason, sizeof config->vmm_reason, err);
}

static int run(int argc, char **argv, struct settings *settings, struct pe_error *err)
{
    struct worker_config config;
    if (parse_command_line(argc, argv, settings, err) < 0)
        return -1;
    if (settings->die_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return pe_fail_errno(err, "--die-with-parent");
    if (find_files(settings, err) < 0)
        return -1;
    signal(SIGPIPE, SIG_IGN);
    if (make_config(settings, &config, err) < 0)
        return -1;
    pe_log(PE_LOG_INFO, "host %s: %u slots, %s, balancer %s", config.host, config.slots, config.vmm_reason,
           config.server);
    return supervisor_run(&config, err);
}

int main(int argc, char **argv)
{
    struct pe_error err;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct settings settings = {.accel = "auto",
                                .qemu = "/usr/bin/qemu-system-x86_64",
                                .user = "nobody",
                                .slots = cpus > 0 ? (uint64_t)cpus : 1,
                                .memory_mib = PE_GUEST_MEMORY_MIB};
    pe_log_init("pe-worker");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = run(argc, argv, &settings, &err);
    if (failed)
        fprintf(stderr, "pe-worker: %s\n", err.message);
    pe_buf_free(&settings.token);
    curl_global_cleanup();
    return failed ? 1 : 0;
}
