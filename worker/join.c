/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of `pe-worker join`. Everything that can fail without a trace comes first: the code is looked at,
 * the images are fetched, and the files are written to a hidden folder. Only then does the balancer learn the
 * host's token, the files appear, and the worker starts. A failure of these last steps undoes them. */
#include "worker/join.h"

#include "base/cleanup.h"
#include "base/home.h"
#include "base/io.h"
#include "base/options.h"
#include "worker/join_exchange.h"
#include "worker/join_files.h"
#include "worker/owner_options.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNIT "pe-worker.service"
#define START_SECONDS 1u /* a worker with a wrong option has ended by then */
#define CODE_MAX 200u

extern char **environ;

/* deploy/systemd/pe-worker.service, included when this file is assembled. */
__asm__(".section .rodata\n"
        "join_unit_text:\n"
        ".incbin \"deploy/systemd/pe-worker.service\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char join_unit_text[]; /* NUL-terminated */

struct join {
    const char *url, *code, *ca, *settings, *units, *store;
    const char *proxy;
    struct owner_options owner;
    struct pe_option_list worker_options;
    bool no_start, no_images;
    char typed_code[CODE_MAX], token[JOIN_TOKEN_SIZE];
    struct pe_route route;
    struct join_answer answer;
    struct join_files files;
};

/* ---- other programs ---- */

static sigset_t stop_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    return signals;
}

static int spawn(char *const argv[], pid_t *pid)
{
    sigset_t none;
    posix_spawnattr_t attributes;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &none);
    const int failed = posix_spawnp(pid, argv[0], NULL, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

/* Run a program, and wait for it. This process has blocked the signals that ask it to stop: it passes them on
 * if `may_stop`, and ignores them otherwise. Returns the exit status, or -1. */
static int run(char *const argv[], bool may_stop, struct pe_error *err)
{
    static const struct timespec moment = {.tv_nsec = 100000000};
    const sigset_t signals = stop_signals();
    pid_t pid = 0;
    int status = 0;
    errno = spawn(argv, &pid);
    if (errno)
        return pe_fail_errno(err, "cannot run %s", argv[0]);
    while (waitpid(pid, &status, WNOHANG) == 0)
        if (sigtimedwait(&signals, NULL, &moment) > 0 && may_stop)
            kill(pid, SIGTERM);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int systemctl(const char *verb, const char *option, struct pe_error *err)
{
    char *argv[] = {(char *)"systemctl", (char *)verb, (char *)(option ? option : UNIT),
                    option ? (char *)UNIT : NULL, NULL};
    if (!strcmp(verb, "daemon-reload"))
        argv[2] = NULL;
    const int status = run(argv, false, err);
    if (status > 0)
        return pe_fail(err, PE_ERR_INTERNAL, "`systemctl %s` failed (%d); `journalctl -u pe-worker` says why",
                       verb, status);
    return status;
}

/* ---- the images ---- */

static int fetch_images(const struct join *join, struct pe_error *err)
{
    char program[PATH_MAX], store[PATH_MAX];
    const json_t *names = json_object_get(join->answer.images, "names");
    const char *url = json_string_value(json_object_get(join->answer.images, "store"));
    if (pe_home_program("pe-image", program, sizeof program, err) < 0 ||
        pe_home_path("images", store, sizeof store, err) < 0)
        return -1;
    pe_autofree const char **argv = calloc(json_array_size(names) + 10, sizeof *argv);
    size_t count = 0, i = 0;
    const json_t *name = NULL;
    if (!argv)
        return pe_fail_errno(err, "out of memory for the names of the images");
    argv[count++] = program;
    argv[count++] = "sync";
    argv[count++] = "--store";
    argv[count++] = join->store ? join->store : store;
    if (join->proxy) {
        argv[count++] = "--proxy";
        argv[count++] = join->proxy;
    }
    argv[count++] = "--";
    argv[count++] = url;
    json_array_foreach(names, i, name) argv[count++] = json_string_value(name);
    printf("fetching the images for this host from %s\n", url);
    fflush(stdout);
    const int status = run((char *const *)argv, true, err);
    if (status > 0)
        return pe_fail(err, PE_ERR_LOST,
                       "the images could not be fetched; what is complete stays in the store, so the same "
                       "command continues there while the code is valid");
    return status;
}

/* ---- the files ---- */

static bool has_unit(const char *units)
{
    static const char *const folders[] = {"/etc/systemd/system", "/usr/local/lib/systemd/system",
                                          "/usr/lib/systemd/system", "/lib/systemd/system"};
    char path[PATH_MAX];
    for (size_t i = 0; !units && i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/" UNIT, folders[i]);
        if (access(path, F_OK) == 0)
            return true;
    }
    snprintf(path, sizeof path, "%s/" UNIT, units ? units : "/etc/systemd/system");
    return access(path, F_OK) == 0;
}

/* The unit names the program by its path in a package; this one may be elsewhere. */
static int add_unit(struct join *join, struct pe_error *err)
{
    static const char packaged[] = "/usr/bin/pe-worker";
    char program[PATH_MAX];
    pe_autobuf struct pe_buf text = {0};
    const char *at = strstr(join_unit_text, packaged);
    if (!at)
        return pe_fail(err, PE_ERR_INTERNAL, "the systemd unit in this program does not start %s", packaged);
    if (pe_home_program("pe-worker", program, sizeof program, err) < 0)
        return -1;
    if (pe_buf_printf(&text, err, "%.*s%s%s", (int)(at - join_unit_text), join_unit_text, program,
                      at + strlen(packaged)) < 0)
        return -1;
    return join_files_add(&join->files, JOIN_UNIT, text.data, text.size, err);
}

static int add_settings(struct join *join, struct pe_error *err)
{
    char ca[PATH_MAX];
    pe_autobuf struct pe_buf text = {0};
    join_files_path(&join->files, JOIN_CA, ca);
    if (pe_buf_printf(&text, err, "# written by pe-worker join\nPE_SERVER=%s\nPE_WORKER_OPTIONS=--name %s",
                      join->url, join->answer.host) < 0 ||
        (join->store && pe_buf_printf(&text, err, " --store %s", join->store) < 0) ||
        (join->ca && pe_buf_printf(&text, err, " --ca %s", ca) < 0))
        return -1;
    if (owner_options_append(&join->owner, &text, err) < 0)
        return -1;
    for (size_t i = 0; i < join->worker_options.count; i++)
        if (pe_buf_printf(&text, err, " %s", join->worker_options.items[i]) < 0)
            return -1;
    if (pe_buf_append_text(&text, "\n", err) < 0 ||
        (join->proxy && pe_buf_printf(&text, err, "https_proxy=%s\n", join->proxy) < 0))
        return -1;
    return join_files_add(&join->files, JOIN_SETTINGS, text.data, text.size, err);
}

static int add_files(struct join *join, struct pe_error *err)
{
    if (join->ca && join_files_add(&join->files, JOIN_CA, join->route.ca.data, join->route.ca.size, err) < 0)
        return -1;
    if (add_settings(join, err) < 0)
        return -1;
    return has_unit(join->units) ? 0 : add_unit(join, err);
}

static int add_token(struct join *join, struct pe_error *err)
{
    char line[JOIN_TOKEN_SIZE + 1];
    const int size = snprintf(line, sizeof line, "%s\n", join->token);
    return join_files_add(&join->files, JOIN_TOKEN, line, (size_t)size, err);
}

/* ---- the last steps ---- */

/* As sd_booted(3) finds it out. */
static bool has_systemd(void)
{
    return access("/run/systemd/system", F_OK) == 0;
}

static int start(const struct join *join, struct pe_error *err)
{
    if (join->no_start)
        return 0;
    if (systemctl("daemon-reload", NULL, err) < 0 || systemctl("enable", "--now", err) < 0)
        return -1;
    sleep(START_SECONDS);
    if (systemctl("is-active", "--quiet", err) == 0)
        return 0;
    return pe_fail(
        err, PE_ERR_INTERNAL,
        "the worker ended right after its start; `journalctl -u pe-worker` says why, and `pe-worker "
        "doctor` what this host lacks");
}

/* The balancer forgets the token, so that the code is valid again. */
static void undo(const struct join *join, bool started, struct pe_error *why)
{
    struct pe_error err;
    if (started && !join->no_start)
        (void)!systemctl("disable", "--now", &err);
    join_files_undo(&join->files);
    if (started && !join->no_start)
        (void)!systemctl("daemon-reload", NULL, &err);
    if (join_give_back(join->url, &join->route, join->token, &err) == 0)
        pe_fail_context(why, "nothing was changed, and the code can be used again");
    else
        pe_fail_context(why, "nothing was changed here, but the code is used up (%.200s)", err.message);
}

/* Whether a signal asks this process to stop. */
static int check_stop(struct pe_error *err)
{
    static const struct timespec now = {.tv_sec = 0};
    const sigset_t signals = stop_signals();
    if (sigtimedwait(&signals, NULL, &now) < 0)
        return 0;
    return pe_fail(err, PE_ERR_CANCELED, "interrupted; nothing was changed, and the code can still be used");
}

static int become_worker(struct join *join, struct pe_error *err)
{
    join_answer_free(&join->answer);
    if (join_exchange(join->url, &join->route, join->code, join->token, &join->answer, err) < 0) {
        join_files_undo(&join->files);
        return -1;
    }
    const int published = join_files_publish(&join->files, err);
    if (published < 0 || start(join, err) < 0) {
        undo(join, published == 0, err);
        return -1;
    }
    join_files_keep(&join->files);
    return 0;
}

static int prepare(struct join *join, struct pe_error *err)
{
    if (join_exchange(join->url, &join->route, join->code, NULL, &join->answer, err) == 0)
        return 0;
    /* An attempt that was killed may have used the code with the same token. */
    return err->kind == PE_ERR_INVALID
               ? join_exchange(join->url, &join->route, join->code, join->token, &join->answer, err)
               : -1;
}

static int join_host(struct join *join, struct pe_error *err)
{
    const char *units = join->units ? join->units : "/etc/systemd/system";
    const sigset_t signals = stop_signals();
    sigprocmask(SIG_BLOCK, &signals, NULL); /* so that none ends this halfway */
    if (join_files_begin(&join->files, join->settings, units, join->token, err) < 0)
        return -1;
    if (add_token(join, err) < 0 || prepare(join, err) < 0 ||
        (join->answer.images && !join->no_images && fetch_images(join, err) < 0) ||
        add_files(join, err) < 0 || check_stop(err) < 0) {
        join_files_undo(&join->files);
        return -1;
    }
    return become_worker(join, err);
}

/* ---- the command line ---- */

/* The code is in no history and no list of processes if it is typed. */
static int read_code(struct join *join, struct pe_error *err)
{
    if (!join->code) {
        if (isatty(STDIN_FILENO))
            fprintf(stderr, "join code: ");
        if (!fgets(join->typed_code, sizeof join->typed_code, stdin))
            return pe_fail(err, PE_ERR_INVALID, "there is no join code on standard input; see --code");
        join->typed_code[strcspn(join->typed_code, "\r\n")] = '\0';
        join->code = join->typed_code;
    }
    if (*join->code && strlen(join->code) < CODE_MAX)
        return 0;
    return pe_fail(err, PE_ERR_INVALID, "the join code is empty or too long; `pe-lb token new` prints one");
}

static int check(struct join *join, struct pe_error *err)
{
    struct owner_hours hours;
    if (!join->no_start && !has_systemd())
        return pe_fail(
            err, PE_ERR_INVALID,
            "systemd does not run on this host, so it cannot start the worker: add --no-start, and "
            "start pe-worker yourself afterwards");
    if (join_check_url(join->url, err) < 0 || owner_options_check(&join->owner, &hours, err) < 0)
        return -1;
    if (join->ca && pe_route_read_ca(&join->route, join->ca, err) < 0)
        return -1;
    join->route.proxy = join->proxy;
    for (size_t i = 0; i < join->worker_options.count; i++)
        if (strpbrk(join->worker_options.items[i], "\n\"'\\$`"))
            return pe_fail(err, PE_ERR_INVALID,
                           "--with '%s' has a character that a systemd unit would change",
                           join->worker_options.items[i]);
    if (join->store && (join->store[0] != '/' || strpbrk(join->store, " \t\n\"'\\$`")))
        return pe_fail(err, PE_ERR_INVALID,
                       "--store %s must be an absolute path without characters that a systemd unit would "
                       "change",
                       join->store);
    if (join->proxy && strpbrk(join->proxy, " \n\"'\\$`"))
        return pe_fail(err, PE_ERR_INVALID, "--proxy has a character that a URL cannot have");
    return read_code(join, err);
}

static int parse(struct join *join, int argc, char **argv, struct pe_error *err)
{
    const struct pe_option options[] = {
        {"code", 0, "CODE", "the join code (default: one line of standard input)", PE_OPTION_TEXT,
         &join->code},
        {"ca", 0, "FILE", "trust only the certificates in FILE, PEM, for the balancer", PE_OPTION_TEXT,
         &join->ca},
        {"proxy", 0, "URL", "HTTP proxy on the way to the balancer and the images", PE_OPTION_TEXT,
         &join->proxy},
        OWNER_OPTIONS(&join->owner),
        {"with", 0, "OPTIONS",
         "other options for the worker, as in --with '--slots 2 --memory 512'; repeatable", PE_OPTION_LIST,
         &join->worker_options},
        {"store", 0, "DIR", "image store (default: images/ of the installation)", PE_OPTION_TEXT,
         &join->store},
        {"no-images", 0, NULL, "fetch no images", PE_OPTION_FLAG, &join->no_images},
        {"no-start", 0, NULL, "write the files, and do not start the worker", PE_OPTION_FLAG,
         &join->no_start},
        {"settings", 0, "DIR", "folder for settings and token (default /etc/program-explorer)",
         PE_OPTION_TEXT, &join->settings},
        {"units", 0, "DIR", "folder for the systemd unit (default /etc/systemd/system)", PE_OPTION_TEXT,
         &join->units},
        {0}};
    const struct pe_program program = {
        .name = "pe-worker join",
        .usage = "URL [OPTION]...",
        .about =
            "Make this host a worker of the balancer at URL, with a code that `pe-lb token new` has printed\n"
            "there: fetch images, write settings, token and systemd unit, and start the worker. If a\n"
            "step fails, only images that were fetched stay.",
        .options = options};
    int rest = argc;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0)
        return -1;
    if (argc - rest != 1)
        return pe_fail(err, PE_ERR_INVALID, "expected the URL of the balancer; see pe-worker join --help");
    join->url = argv[rest];
    for (size_t size = strlen(join->url); size && join->url[size - 1] == '/'; size--)
        argv[rest][size - 1] = '\0';
    return check(join, err);
}

static void say_what_to_do(const struct join *join)
{
    printf("this host is the worker '%s' of %s", join->answer.host, join->url);
    if (join->no_start && has_systemd())
        fputs("; start it with: systemctl enable --now pe-worker", stdout);
    else if (join->no_start)
        printf(
            "; start pe-worker with --server %s --token-file %s/token and PE_WORKER_OPTIONS of %s/worker.env",
            join->url, join->settings, join->settings);
    putchar('\n');
}

int join_main(int argc, char **argv)
{
    struct pe_error err = {0};
    struct join join = {.settings = "/etc/program-explorer", .owner = OWNER_DEFAULTS};
    curl_global_init(CURL_GLOBAL_DEFAULT);
    const int wrong = parse(&join, argc, argv, &err);
    const int failed = wrong < 0 ? wrong : join_host(&join, &err);
    if (failed < 0)
        fprintf(stderr, "pe-worker join: %s\n", err.message);
    else
        say_what_to_do(&join);
    explicit_bzero(join.token, sizeof join.token);
    explicit_bzero(join.typed_code, sizeof join.typed_code);
    join_answer_free(&join.answer);
    pe_buf_free(&join.route.ca);
    pe_option_list_free(&join.worker_options);
    owner_options_free(&join.owner);
    curl_global_cleanup();
    return wrong < 0 ? 2 : failed < 0 ? 1 : 0;
}
