/* SPDX-License-Identifier: Apache-2.0 */
/* pe-lb, the load balancer: its main function. The server is lb/server.c. */
#include "base/io.h"
#include "base/log.h"
#include "doctor/report.h"
#include "lb/core/span_sender.h"
#include "lb/core/store_keeper.h"
#include "lb/doctor.h"
#include "lb/key_command.h"
#include "lb/server.h"
#include "lb/settings.h"
#include "lb/token_command.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* `parent` was the parent at the start. If it has exited since, there will be no signal. */
static int die_with_parent(pid_t parent, struct pe_error *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return pe_fail_errno(err, "cannot set up --die-with-parent");
    if (getppid() != parent)
        return pe_fail(err, PE_ERR_CANCELED, "the parent process has exited");
    return 0;
}

/* Sockets from systemd count like --listen. The default address is used if there is neither. */
static int listen_everywhere(struct server *server, const struct settings *settings, struct pe_error *err)
{
    int adopted = listeners_adopt(&server->listeners, err);
    if (adopted < 0)
        return -1;
    for (size_t i = 0; i < settings->listen.count; i++)
        if (listeners_open(&server->listeners, settings->listen.items[i], false, err) < 0)
            return -1;
    for (size_t i = 0; i < settings->listen_tls.count; i++)
        if (listeners_open(&server->listeners, settings->listen_tls.items[i], true, err) < 0)
            return -1;
    if (adopted || settings->listen.count || settings->listen_tls.count)
        return 0;
    return listeners_open(&server->listeners, "127.0.0.1:8080", false, err);
}

static int report_ready(uint64_t fd, struct pe_error *err)
{
    sd_notify(0, "READY=1");
    if (fd == SETTINGS_NO_FD)
        return 0;
    if (pe_write_all((int)fd, "ready\n", 6, "--ready-fd", err) < 0)
        return -1;
    close((int)fd);
    return 0;
}

static int serve(const struct settings *settings, struct server *server, struct pe_error *err)
{
    if (server_init(server, settings, err) < 0)
        return -1;
    if (listen_everywhere(server, settings, err) < 0 || report_ready(settings->ready_fd, err) < 0) {
        listeners_close(&server->listeners);
        return -1;
    }
    return server_run(server, err);
}

/* Programs beside the server that administer its files. */
static const struct {
    const char *name;
    int (*run)(int argc, char **argv, struct pe_error *err);
} commands[] = {
    {"key", key_command},
    {"token", token_command},
};

/* Run a command. Returns the exit code, or -1 if the arguments are those of the server. */
static int run_command(int argc, char **argv)
{
    struct pe_error err;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (argc < 2 || strcmp(argv[1], commands[i].name) != 0)
            continue;
        int status = commands[i].run(argc - 1, argv + 1, &err);
        if (status >= 0)
            return status;
        pe_die(1, &err);
    }
    return -1;
}

int main(int argc, char **argv)
{
    static struct server server; /* libh2o keeps pointers into it until the process exits */
    pid_t parent = getppid();
    static struct settings settings;
    struct pe_error err = {0};
    if (argc > 1 && !strcmp(argv[1], STORE_KEEPER_ARGUMENT))
        return store_keeper_main(argc, argv);
    if (argc > 1 && !strcmp(argv[1], SPAN_SENDER_ARGUMENT))
        return span_sender_main(argc, argv);
    int code = run_command(argc, argv);
    if (code >= 0)
        return code;
    pe_log_init("pe-lb");
    if (settings_parse(&settings, argc, argv, &err) < 0 ||
        (settings.die_with_parent && die_with_parent(parent, &err) < 0))
        pe_die(2, &err);
    if (!strcmp(settings.log_format, "json")) {
        pe_log_use_json();
        setenv("PE_LOG_FORMAT", "json", 1); /* for the helpers */
    }
    if (settings.doctor) {
        const int status = doctor_run(&settings, &err);
        settings_free(&settings);
        if (status < 0)
            pe_die(DOCTOR_EXIT_USAGE, &err);
        return status;
    }
    if (serve(&settings, &server, &err) < 0)
        pe_die(1, &err);
    settings_free(&settings);
    return EXIT_SUCCESS;
}
