/* pe-lb: the public HTTP edge. Options and startup; the server itself is lb/server.c. */
#include "base/io.h"
#include "base/log.h"
#include "base/options.h"
#include "lb/listener.h"
#include "lb/server.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NO_FD UINT64_MAX

struct settings {
    struct pe_option_list listen;
    struct server_settings server;
    uint64_t ready_fd;
    bool die_with_parent;
};

static int parse_options(struct settings *settings, int argc, char **argv, struct pe_error *err)
{
    struct server_settings *server = &settings->server;
    const struct pe_option options[] = {
        {"listen", 'l', "WHERE", "HOST:PORT or unix:PATH; may be repeated (default 127.0.0.1:8080)",
         PE_OPTION_LIST, &settings->listen},
        {"token-file", 't', "FILE", "holds the token that workers must present", PE_OPTION_TEXT,
         &server->token_file},
        {"queue-jobs", 0, "N", "jobs that may wait for a slot (default 1000)", PE_OPTION_NUMBER,
         &server->queue_jobs},
        {"queue-wait-ms", 0, "N", "how long a job may wait for a slot (default 30000)", PE_OPTION_NUMBER,
         &server->queue_wait_ms},
        {"ready-fd", 0, "FD", "write \"ready\\n\" to this file descriptor once listening, and close it",
         PE_OPTION_NUMBER, &settings->ready_fd},
        {"die-with-parent", 0, NULL, "end when the process that started this one ends", PE_OPTION_FLAG,
         &settings->die_with_parent},
        {0},
    };
    const struct pe_program program = {
        .name = "pe-lb",
        .usage = "[OPTION]...",
        .about = "Takes jobs over HTTP, gives them to the slots of connected worker hosts, and sends the "
                 "results back.",
        .options = options,
        .epilogue = "SIGTERM and SIGINT finish the running jobs first; a second one does not.",
    };
    int rest = argc;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0)
        return -1;
    if (rest < argc)
        return pe_fail(err, PE_ERR_INVALID, "unexpected argument '%s'", argv[rest]);
    if (settings->ready_fd != NO_FD && settings->ready_fd > INT32_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--ready-fd is out of range");
    return 0;
}

/* `parent` is who it was at the start: one that ended before the request below would never be noticed. */
static int die_with_parent(pid_t parent, struct pe_error *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return pe_fail_errno(err, "--die-with-parent");
    if (getppid() != parent)
        return pe_fail(err, PE_ERR_CANCELED, "the parent process is gone");
    return 0;
}

static int listen_everywhere(struct server *server, const struct pe_option_list *listen, struct pe_error *err)
{
    if (listen->count == 0)
        return listener_open(server, "127.0.0.1:8080", err);
    for (size_t i = 0; i < listen->count; i++)
        if (listener_open(server, listen->items[i], err) < 0)
            return -1;
    return 0;
}

static int report_ready(uint64_t fd, struct pe_error *err)
{
    if (fd == NO_FD)
        return 0;
    if (pe_write_all((int)fd, "ready\n", 6, "--ready-fd", err) < 0)
        return -1;
    close((int)fd);
    return 0;
}

static int serve(const struct settings *settings, struct server *server, struct pe_error *err)
{
    if (server_init(server, &settings->server, err) < 0)
        return -1;
    if (listen_everywhere(server, &settings->listen, err) < 0 || report_ready(settings->ready_fd, err) < 0) {
        listener_close_all(server);
        return -1;
    }
    return server_run(server, err);
}

int main(int argc, char **argv)
{
    static struct server server; /* libh2o keeps pointers into it until the process ends */
    pid_t parent = getppid();
    struct settings settings = {.server = {.queue_jobs = 1000, .queue_wait_ms = 30000}, .ready_fd = NO_FD};
    struct pe_error err = {0};
    pe_log_init("pe-lb");
    if (parse_options(&settings, argc, argv, &err) < 0 ||
        (settings.die_with_parent && die_with_parent(parent, &err) < 0))
        pe_die(2, &err);
    if (serve(&settings, &server, &err) < 0)
        pe_die(1, &err);
    pe_option_list_free(&settings.listen);
    return EXIT_SUCCESS;
}
