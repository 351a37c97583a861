/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the balancer and the worker, waiting until they are ready, and stopping them. */
#include "cli/service.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/interrupt.h"
#include "proto/job_spec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#define BALANCER_TIMEOUT_US 10000000u
/* Before it registers, the worker finds out which engine works here. Trying one that does not takes
 * a while. */
#define WORKER_TIMEOUT_US 120000000u
#define PROGRESS_EVERY_S 3u
#define HEALTH_TIMEOUT_MS 2000L
#define POLL_EVERY_MS 50
/* A worker is often ready within 0.1 s, and to ask costs a millisecond. */
#define ASK_EVERY_MS 10

int service_check(void *context, struct pe_error *err)
{
    struct service *service = context;
    for (size_t i = 0; i < SERVICE_CHILDREN; i++)
        if (service->children[i].name && child_check(&service->children[i], err) < 0)
            return -1;
    return 0;
}

void service_show_logs(const struct service *service)
{
    for (size_t i = 0; i < SERVICE_CHILDREN; i++)
        if (service->children[i].name)
            child_show_log(&service->children[i]);
}

void service_stop(struct service *service)
{
    if (!service->directory.path[0])
        return;
    children_stop(service->children, SERVICE_CHILDREN);
    private_dir_remove(&service->directory);
}

/* ---- the balancer ---- */

/* The balancer writes a byte to the descriptor when it listens. End of file means that it has
 * exited. */
static int wait_for_balancer(struct service *service, int ready_fd, struct progress *progress,
                             struct pe_error *err)
{
    uint64_t deadline = pe_now_us() + BALANCER_TIMEOUT_US;
    while (pe_now_us() < deadline) {
        struct pollfd ready = {.fd = ready_fd, .events = POLLIN};
        char byte = 0;
        if (interrupt_check(err) < 0)
            return -1;
        progress_report(progress, "starting pe-lb");
        if (poll(&ready, 1, POLL_EVERY_MS) <= 0)
            continue;
        if (read(ready_fd, &byte, 1) == 1)
            return 0;
        /* It is exiting. Its exit status makes a better message than the end of file, so wait for
         * it. */
        interrupt_sleep_ms(POLL_EVERY_MS);
        return service_check(service, err) < 0
                   ? -1
                   : pe_fail(err, PE_ERR_LOST,
                             "pe-lb closed its ready descriptor without starting to listen");
    }
    return pe_fail(err, PE_ERR_LOST, "pe-lb was not ready within %u s", BALANCER_TIMEOUT_US / 1000000);
}

static int start_balancer(struct service *service, const struct service_style *style, struct pe_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return pe_fail_errno(err, "cannot create a pipe");
    pe_autoclose int reading = ends[0];
    pe_autoclose int writing = ends[1];
    char number[16];
    snprintf(number, sizeof number, "%d", writing);
    /* Nobody else connects to this socket, so there is nobody to hand over to at the end. */
    const char *argv[] = {NULL, "--listen",          service->url, "--ready-fd", number, "--handover-ms",
                          "0",  "--die-with-parent", NULL};
    struct child *balancer = &service->children[SERVICE_BALANCER];
    if (child_start(balancer, "pe-lb", argv, writing, style->is_verbose, err) < 0)
        return -1;
    close(pe_steal_fd(&writing)); /* while it is open, there is no end of file */
    return wait_for_balancer(service, reading, style->progress, err);
}

/* ---- the worker ---- */

/* The number of workers that are registered with the balancer; 0 also when it does not answer. */
static json_int_t count_workers(const struct service *service)
{
    const struct http_server server = {.url = service->url};
    http_autoreply struct http_reply reply = {0};
    struct pe_error ignored;
    if (http_get(&server, "/healthz", HEALTH_TIMEOUT_MS, &reply, &ignored) < 0 || reply.body.size == 0)
        return 0;
    pe_autojson json_t *json = http_read_json(reply.body.data, reply.body.size, 0);
    return json_integer_value(json_object_get(json, "hosts"));
}

static void report_waiting(const struct service_style *style, uint64_t waited_us, uint64_t *reported_us)
{
    progress_report(style->progress,
                    "starting pe-worker %.1f s (the first start finds out which engine works)",
                    (double)waited_us / 1e6);
    if (style->progress->is_on || style->is_quiet || waited_us - *reported_us < PROGRESS_EVERY_S * 1000000)
        return;
    *reported_us = waited_us;
    fprintf(stderr, "pe-run: waiting for the worker (%llu s)\n", (unsigned long long)waited_us / 1000000);
}

static int wait_for_worker(struct service *service, const struct service_style *style, struct pe_error *err)
{
    uint64_t started = pe_now_us(), reported_us = 0;
    while (count_workers(service) < 1) {
        uint64_t waited_us = pe_now_us() - started;
        if (interrupt_check(err) < 0 || service_check(service, err) < 0)
            return -1;
        if (waited_us > WORKER_TIMEOUT_US)
            return pe_fail(err, PE_ERR_LOST, "pe-worker was not ready within %u s",
                           WORKER_TIMEOUT_US / 1000000);
        report_waiting(style, waited_us, &reported_us);
        interrupt_sleep_ms(ASK_EVERY_MS);
    }
    return 0;
}

static int start_worker(struct service *service, const char *image, const char *isolation,
                        const struct service_style *style, struct pe_error *err)
{
    const char *argv[12] = {NULL, "--server", service->url, "--slots", "1"};
    size_t count = 5;
    if (image) {
        argv[count++] = "--warm";
        argv[count++] = image;
    }
    argv[count++] = "--die-with-parent";
    if (style->is_for_one_job)
        argv[count++] = "--no-warm-up";
    if (isolation) {
        argv[count++] = "--isolation";
        argv[count++] = isolation;
    }
    return child_start(&service->children[SERVICE_WORKER], "pe-worker", argv, -1, style->is_verbose, err);
}

int service_start(struct service *service, const char *image, const char *isolation,
                  const struct service_style *style, struct pe_error *err)
{
    *service = (struct service){.children = {{.log_fd = -1}, {.log_fd = -1}}};
    if (!style->is_quiet)
        fprintf(stderr, "pe-run: no server given; starting a balancer and a worker for this run\n");
    progress_begin(style->progress);
    if (private_dir_make(&service->directory, err) < 0)
        return -1;
    snprintf(service->url, sizeof service->url, "unix:%s/lb.sock", service->directory.path);
    if (start_balancer(service, style, err) == 0 &&
        start_worker(service, image, isolation, style, err) == 0 && wait_for_worker(service, style, err) == 0)
        return 0;
    progress_clear(style->progress);
    if (err->kind != PE_ERR_CANCELED)
        service_show_logs(service);
    service_stop(service);
    return -1;
}
