/* SPDX-License-Identifier: Apache-2.0 */
/* A local service, started when the user named no server: a balancer and a worker, connected by a
 * socket that no other user can reach. */
#ifndef PE_CLI_SERVICE_H
#define PE_CLI_SERVICE_H

#include "base/error.h"
#include "cli/child.h"
#include "cli/http.h"
#include "cli/private_dir.h"

#include <stdbool.h>

enum { SERVICE_BALANCER, SERVICE_WORKER, SERVICE_CHILDREN };

/* What is shown on stderr while the service starts. */
struct service_style {
    bool is_verbose;           /* the logs of both programs */
    bool is_quiet;             /* nothing but errors */
    bool is_for_one_job;       /* then the worker saves preparations that pay off with the second job */
    struct progress *progress; /* the progress line */
};

struct service {
    struct private_dir directory;
    char url[PRIVATE_DIR_MAX + 16]; /* "unix:/path" of the balancer */
    struct child children[SERVICE_CHILDREN];
};

/* Start the balancer and the worker, and wait until the worker is registered. `image` is made
 * ready before its first job; NULL: none is. `isolation` is the worker's option --isolation, or NULL.
 * Progress is reported on `style->progress`, or as a line on stderr every few seconds if that is off and
 * `is_quiet` is not set. On failure both programs are stopped again and their last log lines are shown.
 * PE_ERR_LOST when one of them exited or took too long, PE_ERR_CANCELED after a signal. */
int service_start(struct service *service, const char *image, const char *isolation,
                  const struct service_style *style, struct pe_error *err) PE_MUST_CHECK;

/* PE_ERR_LOST when one of the programs has exited. Has the type of http_server.check. */
int service_check(void *service, struct pe_error *err) PE_MUST_CHECK;

/* Print the last log lines of both programs on stderr. */
void service_show_logs(const struct service *service);

/* Stop both programs and remove their directory. Does nothing for a service that was never
 * started. */
void service_stop(struct service *service);
#define autoservice __attribute__((cleanup(service_stop)))

#endif
