/* SPDX-License-Identifier: Apache-2.0 */
/* How far a worker comes on its way to the balancer. Another process, without rights, reads what the balancer
 * sends (worker/balancer_link.c). */
#include "worker/doctor_balancer.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "proto/slot.h"
#include "worker/balancer_discovery.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Certificates and codes that expire are judged by the clock. Below this difference none of them matters. */
#define CLOCK_SECONDS_MAX 30

struct step {
    const char *id, *name, *good, *advice;
    enum balancer_stage done; /* the stage from which on it has been passed */
};

static const struct step steps[] = {
    {"balancer.dns", "name", "it has an address", "look at /etc/resolv.conf and at the URL",
     BALANCER_RESOLVED},
    {"balancer.tcp", "connection", "there is one",
     "look whether pe-lb listens there, and at firewalls and proxies in between (variable https_proxy)",
     BALANCER_REACHED},
    {"balancer.tls", "TLS", "the certificate is trusted",
     "the certificate must be for this name, be valid now by the clock of this machine, and be signed by an "
     "authority in /etc/ssl/certs",
     BALANCER_SECURE},
    {"balancer.token", "token", "the balancer admits this worker",
     "the first line of --token-file must be a token that the balancer knows", BALANCER_ADMITTED},
};

static bool has_step(const char *server, const struct step *step)
{
    if (step->done == BALANCER_ADMITTED)
        return true;
    if (!strncmp(server, "unix:", 5))
        return step->done == BALANCER_REACHED;
    return step->done != BALANCER_SECURE || !strncmp(server, "https:", 6);
}

static void say_clock(struct doctor_report *report, const struct balancer_view *view, int64_t now)
{
    const long long ahead = (long long)(now - view->date);
    if (!view->date)
        doctor_say(report, DOCTOR_UNTRIED, "balancer.clock", "clock: the balancer did not say its time");
    else if (llabs(ahead) > CLOCK_SECONDS_MAX)
        doctor_say(report, DOCTOR_WARNING, "balancer.clock",
                   "clock: that of this machine is %lld s %s the balancer's; certificates and join codes "
                   "expire by it; set it, for example with systemd-timesyncd",
                   llabs(ahead), ahead > 0 ? "ahead of" : "behind");
    else
        doctor_say(report, DOCTOR_OK, "balancer.clock", "clock: as the balancer's, within %d s",
                   CLOCK_SECONDS_MAX);
}

void doctor_say_view(struct doctor_report *report, const char *server, const struct balancer_view *view,
                     const struct pe_error *why, int64_t now)
{
    bool ended = false;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const struct step *step = &steps[i];
        if (!has_step(server, step))
            continue;
        if (view->stage >= step->done)
            doctor_say(report, DOCTOR_OK, step->id, "%s: %s", step->name, step->good);
        else if (ended)
            doctor_say(report, DOCTOR_UNTRIED, step->id, "%s: it comes after what is missing above",
                       step->name);
        else
            doctor_say_unusable(report, step->id, "%s: %s; %s", step->name, why->message, step->advice);
        ended = view->stage < step->done;
    }
    say_clock(report, view, now);
}

/* Try the way to one balancer, that of config->balancer. */
static void try_way(struct doctor_report *report, const struct worker_config *config)
{
    const struct balancer_place *place = &config->balancers.items[config->balancer];
    struct balancer_link link;
    struct balancer_view view;
    struct pe_error why;
    doctor_section(report, "The balancer %s%s%s", place->url, place->address[0] ? " at " : "",
                   place->address);
    if (balancer_link_start(config, PE_CONTROL_PATH, &link, &why) < 0) {
        doctor_say(report, DOCTOR_UNTRIED, "balancer.dns", "name: %s", why.message);
        return;
    }
    pe_autoclose int answer = link.fd;
    if (balancer_link_look(answer, &view, &why) == 0)
        view.stage = BALANCER_ADMITTED;
    balancer_link_end(&link);
    doctor_say_view(report, place->url, &view, &why, time(NULL));
}

/* Look up the names of the servers, in a process without rights, and use what it finds. */
static void look_up(struct worker_config *config)
{
    int status = 0;
    struct pe_error err;
    if (!balancer_discovery_is_needed(config))
        return;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(balancer_discovery_main(config));
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == BALANCER_DISCOVERY_CHANGED &&
        balancer_list_take(config->discovered, config->servers, config->server_count, &config->balancers,
                           &err) < 0)
        pe_log(PE_LOG_ERROR, "what the search for balancers has found is not used: %s", err.message);
}

void doctor_say_balancers(struct doctor_report *report, const struct worker_config *config)
{
    struct worker_config each = *config;
    if (config->token_fault) {
        doctor_section(report, "The token of this worker");
        doctor_say_unusable(report, "balancer.token", "token: %s", config->token_fault);
    }
    look_up(&each);
    for (each.balancer = 0; each.balancer < each.balancers.count; each.balancer++)
        try_way(report, &each);
    if (each.balancers.count)
        return;
    doctor_section(report, "The balancer");
    if (config->server_count)
        doctor_say_unusable(
            report, "balancer.dns",
            "name: %s has no SRV record; look at /etc/resolv.conf, and at `_pe-worker._tcp` in "
            "the zone",
            config->servers[0]);
    else
        doctor_say(report, DOCTOR_UNTRIED, "balancer.dns", "name: with --server URL, the way there is tried");
}
