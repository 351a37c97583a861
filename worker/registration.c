/* SPDX-License-Identifier: Apache-2.0 */
/* Registering the worker. The process that the supervisor starts has the rights of the worker, and makes
 * connections to the balancer (worker/balancer_link.h). For each it starts a process without rights, which
 * sends the list of images, reads what the balancer sends, and watches the image store with inotify(7). */
#include "worker/registration.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "proto/hello.h"
#include "proto/job_spec.h"
#include "proto/slot.h"
#include "store/store.h"
#include "worker/balancer_link.h"
#include "worker/board.h"
#include "worker/retry.h"
#include "worker/slot_rights.h"
#include "worker/stop_signal.h"
#include "worker/ws_client.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What is found out about the host before rights are given up. */
static struct {
    struct utsname system;
    char cpu[sizeof((struct pe_hello *)NULL)->cpu];
} host;

static void read_cpu_model(char *model, size_t size)
{
    pe_autobuf struct pe_buf info = {0};
    struct pe_error ignored;
    snprintf(model, size, "unknown");
    if (pe_read_file(AT_FDCWD, "/proc/cpuinfo", 4 << 20, &info, &ignored) < 0 ||
        pe_buf_append(&info, "", 1, &ignored) < 0)
        return;
    const char *line = strstr((const char *)info.data, "model name");
    const char *colon = line ? strchr(line, ':') : NULL;
    if (colon)
        snprintf(model, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
}

/* Add an image to the catalog, if slots can reach it and there is room for it. */
static int add_image(const char *store, const struct pe_image *image, struct pe_hello_room *room,
                     json_t *catalog, struct pe_error *err)
{
    if (pe_store_check_links(store, image, err) < 0)
        return -1;
    pe_autojson json_t *entry = pe_image_to_json(image);
    if (!entry)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for the entry of the image '%s'", image->name);
    if (pe_hello_room_take(room, entry, err) < 0)
        return pe_fail_context(err, "image '%s' is left out, and gets no jobs", image->name);
    return json_array_append(catalog, entry) == 0
               ? 0
               : pe_fail(err, PE_ERR_INTERNAL, "out of memory for the entry of the image '%s'", image->name);
}

/* The images for which slots get jobs. The log names the others. */
static json_t *encode_catalog(const char *store, const struct pe_store_images *images)
{
    struct pe_error fault;
    struct pe_hello_room room = {0};
    json_t *catalog = json_array();
    for (size_t i = 0; i < images->count; i++)
        if (add_image(store, &images->items[i], &room, catalog, &fault) < 0)
            pe_log(PE_LOG_ERROR, "%s", fault.message);
    return catalog;
}

static int send_hello(const struct worker_config *config, struct ws_client *balancer, bool draining,
                      struct pe_error *err)
{
    pe_autostoreimages struct pe_store_images images = {0};
    pe_automessage struct pe_message message = {.kind = PE_MESSAGE_HELLO};
    pe_autobuf struct pe_buf text = {0};
    struct pe_error fault;
    /* If the store cannot be read, the worker stays registered without images, and the log says
     * why. */
    if (pe_store_list(config->store, &images, &fault) < 0)
        pe_log(PE_LOG_ERROR, "%s", fault.message);
    snprintf(message.hello.host, sizeof message.hello.host, "%s", config->name);
    snprintf(message.hello.arch, sizeof message.hello.arch, "%.31s", host.system.machine);
    snprintf(message.hello.cpu, sizeof message.hello.cpu, "%s", host.cpu);
    snprintf(message.hello.vmm, sizeof message.hello.vmm, "%s", config->engine.reason);
    message.hello.isolation = vm_isolation(config->vm.accel);
    message.hello.slots = config->slots + config->ahead;
    message.hello.vms = config->slots;
    message.hello.draining = draining;
    message.hello.live = PE_LIVE_VERSION;
    message.hello.images = encode_catalog(config->store, &images);
    if (pe_message_encode(&message, &text, err) < 0)
        return -1;
    return ws_client_send(balancer, true, text.data, text.size, 0, err);
}

/* Watch the folder of names, and the store itself, where that folder may be created later. Watching
 * a folder again changes nothing. */
static void watch_store(const struct worker_config *config, int watch)
{
    char names[PATH_MAX];
    snprintf(names, sizeof names, "%s/names", config->store);
    if (watch < 0 || inotify_add_watch(watch, config->store, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
        pe_log(PE_LOG_WARN, "cannot watch the image store %s; changes need a restart of the worker",
               config->store);
    (void)inotify_add_watch(watch, names, IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR);
}

/* Discard the events: it only matters that there were some. */
static void discard_events(int fd)
{
    char events[4096];
    while (read(fd, events, sizeof events) > 0)
        ;
}

/* Keep one connection until it ends, which is an error. */
static int serve(const struct worker_config *config, struct ws_client *balancer, int watch,
                 struct pe_error *err)
{
    bool draining = stop_requested || config->paused;
    if (send_hello(config, balancer, draining, err) < 0)
        return -1;
    for (;;) {
        enum ws_client_event event;
        if (ws_client_wait(balancer, watch, 0, !draining, &event, err) < 0)
            return -1;
        if (event == WS_CLIENT_STOP) {
            draining = true;
            if (send_hello(config, balancer, draining, err) < 0)
                return -1;
        }
        if (event == WS_CLIENT_MESSAGE)
            free(ws_client_next(balancer)); /* the balancer sends no messages on this connection */
        if (event == WS_CLIENT_FD) {
            discard_events(watch);
            if (!slot_rights_fit_store(config))
                return pe_fail(err, PE_ERR_LOST, "the image store is another folder now; registering again");
            watch_store(config, watch);
            if (send_hello(config, balancer, draining, err) < 0)
                return -1;
        }
    }
}

/* ---- the process without rights ---- */

/* Its exit status is an enum retry_cause. `retry` is what is known of earlier attempts. */
static void read_balancer(const struct worker_config *worker, int connection, struct retry *retry)
    __attribute__((noreturn));
static void read_balancer(const struct worker_config *worker, int connection, struct retry *retry)
{
    const uint64_t begin_us = pe_now_us();
    enum retry_cause cause = RETRY_LOST;
    struct worker_config config = *worker;
    struct pe_error err;
    prctl(PR_SET_NAME, "pe-registration");
    if (slot_rights_drop_watcher(&config, &connection, &err) < 0) {
        pe_log(PE_LOG_ERROR, "%s", err.message);
        _exit(RETRY_LOST);
    }
    pe_autoclose int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    watch_store(&config, watch);
    struct ws_client *balancer = ws_client_open(connection, &err);
    if (balancer && serve(&config, balancer, watch, &err) < 0)
        cause = ws_client_cause(balancer);
    retry_lasted(retry, pe_now_us() - begin_us);
    if (cause == RETRY_LOST || !retry->refusals)
        pe_log(PE_LOG_WARN, "%s", err.message);
    ws_client_close(balancer);
    _exit((int)cause);
}

/* ---- the process that starts it ---- */

static int connect_balancer(const struct worker_config *config, struct balancer_link *link,
                            struct pe_error *err)
{
    if (balancer_link_start(config, PE_CONTROL_PATH, link, err) < 0)
        return -1;
    pe_autoclose int answer = link->fd;
    int connection = balancer_link_receive(answer, BALANCER_LINK_MS, err);
    if (!balancer_link_stays(config))
        balancer_link_end(link);
    return connection;
}

/* Wait until the process has ended, and tell it when the worker shall stop. Returns why it ended. */
static enum retry_cause await_end(pid_t pid)
{
    sigset_t none;
    bool told = false;
    sigemptyset(&none);
    pe_autoclose int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    while (pidfd >= 0 && ppoll(&ended, 1, NULL, &none) < 0 && errno == EINTR)
        if (stop_requested && !told)
            told = kill(pid, SIGTERM) == 0;
    const int status = pe_child_await(pid);
    return WIFEXITED(status) ? (enum retry_cause)WEXITSTATUS(status) : RETRY_LOST;
}

/* Register, and keep the connection until it ends. Returns the milliseconds after which to do it again. */
static unsigned register_once(const struct worker_config *config, struct retry *retry)
{
    struct balancer_link link = BALANCER_LINK_NONE;
    struct pe_error err;
    pe_autoclose int connection = connect_balancer(config, &link, &err);
    const uint64_t begin_us = pe_now_us();
    enum retry_cause cause = connection < 0 ? retry_cause_of(&err) : RETRY_LOST;
    if (connection >= 0)
        board_set(config->board, config->slot, BOARD_CONNECTED);
    if (connection < 0 && retry_says(retry, err.message))
        pe_log(PE_LOG_WARN, "%s", err.message);
    pid_t pid = connection < 0 ? -1 : fork();
    if (pid == 0)
        read_balancer(config, connection, retry);
    pe_cleanup_close(&connection);
    connection = -1;
    if (pid > 0) {
        cause = await_end(pid);
        retry_lasted(retry, pe_now_us() - begin_us);
    }
    balancer_link_end(&link);
    board_set(config->board, config->slot, cause == RETRY_LOST ? BOARD_AWAY : BOARD_REFUSED);
    const unsigned ms = retry_after_ms(retry, cause);
    board_plan(config->board, config->slot, time(NULL) + (ms + 999) / 1000);
    return ms;
}

int registration_main(const struct worker_config *config)
{
    prctl(PR_SET_NAME, "pe-reg-helper");
    uname(&host.system);
    read_cpu_model(host.cpu, sizeof host.cpu);
    struct retry retry = {.refusals = 0};
    board_set(config->board, config->slot, BOARD_CONNECTING);
    for (;;)
        stop_signal_sleep(register_once(config, &retry));
}
