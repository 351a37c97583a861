/* The whole service for one run, when the user named no server: a balancer and a worker of our own, talking
 * over a socket that nobody else can reach. */
#ifndef PE_CLI_SERVICE_H
#define PE_CLI_SERVICE_H

#include "base/error.h"
#include "cli/child.h"
#include "cli/http.h"
#include "cli/private_dir.h"

#include <stdbool.h>

enum { SERVICE_BALANCER, SERVICE_WORKER, SERVICE_CHILDREN };

/* What the user wants to see. */
struct service_style {
    bool is_verbose; /* what both programs say */
    bool is_quiet;   /* only what goes wrong */
    struct progress *progress;
};

struct service {
    struct private_dir directory;
    char url[PRIVATE_DIR_MAX + 16]; /* unix:… of the balancer */
    struct child children[SERVICE_CHILDREN];
};

/* Start both and wait until the worker has said what it has; how far that is goes to `progress`, or when that
 * is off and `is_quiet` is not set, now and then in a line on stderr. On failure everything is ended again,
 * and what the programs said last was shown. */
int service_start(struct service *service, const char *image, const struct service_style *style,
                  struct pe_error *err) PE_MUST_CHECK;

/* PE_ERR_LOST when one of the programs ended. Fits http_server.check. */
int service_check(void *service, struct pe_error *err) PE_MUST_CHECK;

/* Show what both programs said last. */
void service_show_logs(const struct service *service);

/* End both programs and remove the directory. A service that was never started is left alone. */
void service_stop(struct service *service);
#define autoservice __attribute__((cleanup(service_stop)))

#endif
