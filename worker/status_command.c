/* SPDX-License-Identifier: Apache-2.0 */
/* Asking each worker that has a folder in the run directory, and printing the answers: for people, or as one
 * JSON object. The answers come from processes of the same user, or of any user if this one is root, so what
 * goes to a terminal is printable. */
#include "worker/status_command.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/control.h"
#include "base/io.h"
#include "base/options.h"
#include "codec/json_bounds.h"
#include "codec/json_list.h"
#include "proto/job_spec.h"
#include "worker/host/worker_dir.h"
#include "worker/status_server.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_S 10
#define VALUES_MAX 200000u
#define IMAGES_SHOWN 8u
#define LINE_COLUMNS 80u

/* ---- asking ---- */

static int connect_worker(const char *path, struct pe_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval wait = {.tv_sec = WAIT_S};
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= (int)sizeof address.sun_path)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the path %s is too long for a socket", path);
    pe_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 && /* of connect(2) */
        connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return pe_steal_fd(&fd);
    if (errno == EACCES || errno == EPERM)
        return pe_fail(err, PE_ERR_INVALID,
                       "only root and the user of the worker may ask it at %s; try it with sudo", path);
    return pe_fail_errno(err, "no worker answers at %s", path);
}

static json_t *ask(const char *path, struct pe_error *err)
{
    json_error_t where;
    pe_autobuf struct pe_buf text = {0};
    pe_autoclose int fd = connect_worker(path, err);
    if (fd < 0 || pe_read_all(fd, STATUS_BYTES_MAX, &text, path, err) < 0)
        return NULL;
    json_t *json = NULL;
    if (text.size && pe_json_check_bounds(text.data, text.size, VALUES_MAX, err) == 0)
        json = json_loadb((const char *)text.data, text.size, 0, &where);
    if (!json_is_object(json)) {
        json_decref(json);
        pe_fail(err, PE_ERR_LOST, "the worker at %s does not say what it does", path);
        return NULL;
    }
    return json;
}

static int fail_for_memory(struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the list of workers");
}

/* Ask all workers. Each that cannot be asked is named on standard error, unless it has ended meanwhile. */
static int ask_all(const char *base, json_t **workers, struct pe_error *err)
{
    pe_autodir DIR *list = opendir(base);
    if (!list)
        return errno == ENOENT ? 0 : pe_fail_errno(err, "cannot list the run directory %s", base);
    for (struct dirent *entry; (entry = readdir(list));) {
        char path[PATH_MAX];
        struct pe_error why;
        if (strncmp(entry->d_name, "worker-", 7) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s/" STATUS_SOCKET, base, entry->d_name);
        json_t *worker = access(path, F_OK) == 0 || errno == EACCES ? ask(path, &why) : NULL;
        if (worker)
            pe_json_list_add(workers, worker);
        else if (access(path, F_OK) == 0)
            fprintf(stderr, "pe-worker status: %s\n", why.message);
    }
    return *workers ? 0 : fail_for_memory(err);
}

/* ---- printing for people ---- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* Print text without what a terminal would obey. */
static void print(const char *before, const char *text, const char *after)
{
    fputs(before, stdout);
    for (size_t left = strlen(text); left;) {
        const size_t control = pe_control_size(text, left);
        const size_t size = control ? control : 1;
        putchar(control ? '?' : *text);
        text += size;
        left -= size;
    }
    fputs(after, stdout);
}

/* Print the words of a long text in lines, of which the first has `used` columns already. */
static void print_words(const char *text, size_t used)
{
    pe_autofree char *copy = strdup(text);
    char *rest = copy;
    for (const char *word = NULL; rest && (word = strsep(&rest, " "));) {
        const size_t size = strlen(word);
        if (used + 1 + size > LINE_COLUMNS) {
            fputs("\n   ", stdout);
            used = 3;
        }
        print(" ", word, "");
        used += 1 + size;
    }
    putchar('\n');
}

/* "1 job", "2 jobs". */
static void print_count(long long count, const char *what)
{
    printf("  %lld %s%s", count, what, count == 1 ? "" : "s");
}

static void print_state(const json_t *object)
{
    print("", text_of(object, "state"), "");
    if (*text_of(object, "since"))
        print(" since ", text_of(object, "since"), "");
}

static void print_problem(const char *indent, const json_t *problem)
{
    if (!json_is_object(problem))
        return;
    print(indent, text_of(problem, "at"), ": ");
    print("", text_of(problem, "text"), "\n");
}

static void print_balancers(const json_t *balancers)
{
    size_t i = 0;
    const json_t *balancer = NULL;
    json_array_foreach(balancers, i, balancer)
    {
        const bool connected = !strcmp(text_of(balancer, "state"), "connected");
        print("  balancer ", text_of(balancer, "url"), "");
        if (*text_of(balancer, "address"))
            print(" at ", text_of(balancer, "address"), "");
        fputs(": ", stdout);
        print_state(balancer);
        if (*text_of(balancer, "next_attempt"))
            print(", next attempt at ", text_of(balancer, "next_attempt"), "");
        putchar('\n');
        if (!connected)
            print_problem("    ", json_object_get(balancer, "last_problem"));
    }
}

static size_t count_state(const json_t *slots, const char *state)
{
    size_t i = 0, count = 0;
    const json_t *slot = NULL;
    json_array_foreach(slots, i, slot) count += !strcmp(text_of(slot, "state"), state);
    return count;
}

static void print_slots(const json_t *slots)
{
    static const char *const states[] = {"running", "ready", "starting", "ended"};
    const char *before = ": ";
    print_count((long long)json_array_size(slots), "slot");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        const size_t count = count_state(slots, states[i]);
        if (count)
            printf("%s%zu %s", before, count, states[i]);
        if (count)
            before = ", ";
    }
    putchar('\n');
}

static void print_images(const json_t *images)
{
    size_t i = 0;
    const json_t *image = NULL;
    const char *before = ": ";
    print_count((long long)json_array_size(images), "image");
    json_array_foreach(images, i, image)
    {
        if (i < IMAGES_SHOWN)
            print(before, json_string_value(image) ? json_string_value(image) : "", "");
        before = ", ";
    }
    puts(json_array_size(images) > IMAGES_SHOWN ? ", …" : "");
}

static void print_worker(const json_t *worker)
{
    const json_t *jobs = json_object_get(worker, "jobs");
    print("worker ", text_of(worker, "name"), ": ");
    print_state(worker);
    if (*text_of(worker, "reason"))
        print(" (", text_of(worker, "reason"), ")");
    putchar('\n');
    printf("  process %lld", (long long)json_integer_value(json_object_get(worker, "pid")));
    print(" since ", text_of(worker, "started"), "\n");
    fputs("  engine:", stdout);
    print_words(text_of(worker, "engine"), strlen("  engine:"));
    print_balancers(json_object_get(worker, "balancers"));
    print_slots(json_object_get(worker, "slots"));
    print_count(json_integer_value(json_object_get(jobs, "done")), "job");
    printf(" since the start; the VM failed in %lld of them\n",
           (long long)json_integer_value(json_object_get(jobs, "failed")));
    printf("  CPU time given today, by VMs that have ended: %.1f s\n",
           json_number_value(json_object_get(worker, "cpu_s_today")));
    print_images(json_object_get(worker, "images"));
    print_problem("  last problem, ", json_object_get(worker, "last_problem"));
}

static void print_all(const json_t *workers)
{
    for (size_t i = 0; i < json_array_size(workers); i++)
        print_worker(json_array_get(workers, i));
}

static int print_json(json_t *workers, struct pe_error *err)
{
    pe_autojson json_t *all = json_pack("{s:i, s:O}", "version", 1, "workers", workers);
    if (!all)
        return fail_for_memory(err);
    if (json_dumpf(all, stdout, JSON_INDENT(2)) < 0 || putchar('\n') < 0)
        return pe_fail(err, PE_ERR_INTERNAL, "cannot print the list");
    return 0;
}

/* ---- the command line ---- */

static int run(const char *base, bool json, struct pe_error *err)
{
    pe_autojson json_t *workers = json_array();
    if (ask_all(base, &workers, err) < 0 || (json && print_json(workers, err) < 0))
        return -1;
    if (!json)
        print_all(workers);
    if (json_array_size(workers))
        return 0;
    return pe_fail(err, PE_ERR_NOT_FOUND,
                   "no worker whose run directory is in %s answers (see --run-dir); `systemctl status "
                   "pe-worker` says whether one should run here",
                   base);
}

int status_main(int argc, char **argv)
{
    struct pe_error err;
    char usual[256];
    const char *base = NULL;
    bool json = false;
    int rest = argc;
    const struct pe_option options[] = {
        {"json", 0, NULL, "print one JSON object, for scripts", PE_OPTION_FLAG, &json},
        {"run-dir", 0, "DIR", "the --run-dir of the workers (default: below /run, or $XDG_RUNTIME_DIR)",
         PE_OPTION_TEXT, &base},
        {0}};
    const struct pe_program program = {
        .name = "pe-worker status",
        .usage = "[OPTION]...",
        .about = "Say what the workers of this host do: connections, slots, jobs, and the last problem.",
        .options = options};
    int failed = pe_options_parse(&program, argc, argv, false, &rest, &err);
    if (failed == 0 && rest < argc)
        failed = pe_fail(&err, PE_ERR_INVALID, "unexpected argument '%s'", argv[rest]);
    if (failed) {
        fprintf(stderr, "pe-worker status: %s\n", err.message);
        return 2;
    }
    if (run(base ? base : worker_dir_usual(usual, sizeof usual), json, &err) == 0)
        return 0;
    fprintf(stderr, "pe-worker status: %s\n", err.message);
    return 1;
}
