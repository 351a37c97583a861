/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop around the template cache (worker/template_cache.c) and the permits
 * (worker/admission.c). */
#include "worker/template_server.h"

#include "worker/admission.h"
#include "worker/stop_signal.h"
#include "worker/template_cache.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

struct template_server {
    struct template_cache cache;
    struct admission admission;
    struct pollfd fds[1 + ADMISSION_CLIENTS_MAX + TEMPLATE_CACHE_MAX];
};

static void on_child(int signal)
{
    (void)signal; /* the signal only has to interrupt ppoll(2) */
}

/* SIGCHLD arrives only while this process waits, as the signals that request a stop do. */
static void catch_child_exits(void)
{
    const struct sigaction action = {.sa_handler = on_child};
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    sigaction(SIGCHLD, &action, NULL);
}

static void wait_and_dispatch(struct template_server *server, int listener)
{
    const struct timespec retry = {.tv_sec = TEMPLATE_RETRY_US / 1000000};
    sigset_t unblocked;
    sigemptyset(&unblocked);
    struct pollfd *clients = server->fds + 1;
    server->fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    size_t client_count = admission_list_fds(&server->admission, clients);
    struct pollfd *makers = clients + client_count;
    size_t maker_count = template_cache_list_fds(&server->cache, makers);
    if (ppoll(server->fds, 1 + client_count + maker_count, &retry, &unblocked) <= 0)
        return;
    template_cache_dispatch(&server->cache, makers);
    admission_dispatch(&server->admission, clients);
    if (server->fds[0].revents)
        admission_accept(&server->admission);
}

int template_server_main(const struct worker_config *config)
{
    static struct template_server server;
    prctl(PR_SET_NAME, "pe-templates");
    catch_child_exits();
    template_cache_open(&server.cache, config);
    admission_init(&server.admission, config, &server.cache);
    while (!stop_requested) {
        wait_and_dispatch(&server, config->templates.listener);
        template_cache_maintain(&server.cache);
        admission_grant(&server.admission);
    }
    template_cache_close(&server.cache);
    return 0;
}
