/* SPDX-License-Identifier: Apache-2.0 */
/* Making one JSON object of the board (worker/board.h), the metrics and the image store. This process reads
 * what slots wrote and what is in the store, so it has no rights, as a slot. */
#include "worker/status_server.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/time_text.h"
#include "codec/json_list.h"
#include "proto/job_spec.h"
#include "store/store.h"
#include "worker/board.h"
#include "worker/metrics.h"
#include "worker/slot_rights.h"
#include "worker/stop_signal.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define VERSION 1
#define BACKLOG 8
#define SEND_US 5000000u /* a client that does not read holds the others up no longer */

static pid_t worker_pid; /* asked for before the rights to do so are given up */

/* ---- the object ---- */

static json_t *time_json(int64_t seconds)
{
    char text[PE_TIME_TEXT_SIZE];
    return seconds > 0 ? json_string(pe_time_text(seconds, text)) : json_null();
}

static json_t *said_json(const struct board_view *view)
{
    if (!view->said[0])
        return json_null();
    return json_pack("{s:s, s:o}", "text", view->said, "at", time_json(view->said_at));
}

static json_t *encode_balancers(const struct worker_config *config)
{
    json_t *list = json_array();
    for (size_t i = 0; i < config->balancers.count; i++) {
        const struct balancer_place *place = &config->balancers.items[i];
        struct board_view view;
        board_read(config->board, board_place_of_balancer(config->board, i), &view);
        pe_json_list_add(&list, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "url", place->url, "address",
                                          place->address, "state", board_state_name(view.state), "since",
                                          time_json(view.since), "next_attempt", time_json(view.next),
                                          "last_problem", said_json(&view)));
    }
    return list;
}

static json_t *encode_slots(const struct worker_config *config)
{
    json_t *list = json_array();
    for (size_t i = 0; i < board_slots(config->board); i++) {
        struct board_view view;
        board_read(config->board, i, &view);
        pe_json_list_add(&list, json_pack("{s:I, s:s, s:o}", "number", (json_int_t)i, "state",
                                          board_state_name(view.state), "since", time_json(view.since)));
    }
    return list;
}

/* The last of what all processes have logged. */
static json_t *encode_last_problem(const struct worker_config *config)
{
    struct board_view last = {.said_at = 0};
    for (size_t i = 0; i <= board_place_of_worker(config->board); i++) {
        struct board_view view;
        board_read(config->board, i, &view);
        if (view.said[0] && view.said_at >= last.said_at)
            last = view;
    }
    return said_json(&last);
}

static json_t *encode_images(const struct worker_config *config)
{
    pe_autostoreimages struct pe_store_images images = {0};
    struct pe_error ignored;
    json_t *list = json_array();
    if (pe_store_list(config->store, &images, &ignored) < 0)
        return list;
    for (size_t i = 0; i < images.count; i++)
        pe_json_list_add(&list, json_string(images.items[i].name));
    return list;
}

static json_t *encode_jobs(const struct worker_config *config)
{
    uint64_t done = 0, failed = 0;
    metrics_jobs(config->metrics, &done, &failed);
    return json_pack("{s:I, s:I}", "done", (json_int_t)done, "failed", (json_int_t)failed);
}

static json_t *encode(const struct worker_config *config)
{
    struct board_view worker;
    board_read(config->board, board_place_of_worker(config->board), &worker);
    const enum pe_isolation isolation = vm_isolation(config->vm.accel);
    return json_pack("{s:i, s:s, s:I, s:o, s:s, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:f, s:o, s:o}", "version",
                     VERSION, "name", config->name, "pid", (json_int_t)worker_pid, "started",
                     time_json(board_start(config->board)), "state", board_state_name(worker.state), "since",
                     time_json(worker.since), "reason", worker.why, "isolation", pe_isolation_name(isolation),
                     "engine", config->engine.reason, "balancers", encode_balancers(config), "slots",
                     encode_slots(config), "jobs", encode_jobs(config), "cpu_s_today",
                     (double)board_cpu_today_us(config->board) / 1e6, "images", encode_images(config),
                     "last_problem", encode_last_problem(config));
}

/* ---- the socket ---- */

int status_listen(const struct worker_config *config, struct pe_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path, sizeof address.sun_path, "%s/" STATUS_SOCKET, config->vm.run_dir);
    if (n < 0 || (size_t)n >= sizeof address.sun_path)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the path %s is too long for a socket below it; use --run-dir",
                       config->vm.run_dir);
    pe_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return pe_fail_errno(err, "cannot create the socket for `pe-worker status`");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || chmod(address.sun_path, 0600) < 0 ||
        listen(fd, BACKLOG) < 0)
        return pe_fail_errno(err, "cannot listen on %s", address.sun_path);
    return pe_steal_fd(&fd);
}

static void send_text(int fd, const char *text)
{
    const uint64_t deadline_us = pe_now_us() + SEND_US;
    const struct timespec moment = {.tv_nsec = 100000000};
    struct pollfd client = {.fd = fd, .events = POLLOUT};
    for (size_t left = strlen(text); left && pe_now_us() < deadline_us;) {
        ssize_t n = send(fd, text, left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return;
        text += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
        if (n < 0)
            ppoll(&client, 1, &moment, NULL);
    }
}

static void answer(const struct worker_config *config, int listener)
{
    pe_autoclose int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0)
        return;
    pe_autojson json_t *status = encode(config);
    pe_autofree char *text = status ? json_dumps(status, JSON_COMPACT) : NULL;
    if (text)
        send_text(client, text);
    else
        pe_log(PE_LOG_ERROR, "out of memory for what this worker does");
}

int status_server_main(const struct worker_config *worker)
{
    struct worker_config config = *worker;
    struct pe_error err;
    sigset_t none;
    prctl(PR_SET_NAME, "pe-status");
    worker_pid = getppid();
    if (slot_rights_drop_status(&config, &config.status_listener, &err) < 0) {
        pe_log(PE_LOG_ERROR, "%s", err.message);
        return 1;
    }
    sigemptyset(&none);
    while (!stop_requested && slot_rights_fit_store(&config)) {
        struct pollfd listener = {.fd = config.status_listener, .events = POLLIN};
        if (ppoll(&listener, 1, NULL, &none) > 0)
            answer(&config, config.status_listener);
    }
    return 0;
}
