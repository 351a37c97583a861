/* pe-lb: the public HTTP edge. Startup; the server itself is lb/server.c. */
#include "base/io.h"
#include "base/log.h"
#include "lb/core/store_keeper.h"
#include "lb/edge/listener.h"
#include "lb/server.h"
#include "lb/settings.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* `parent` is who it was at the start: one that ended before the request below would never be noticed. */
static int die_with_parent(pid_t parent, struct pe_error *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return pe_fail_errno(err, "--die-with-parent");
    if (getppid() != parent)
        return pe_fail(err, PE_ERR_CANCELED, "the parent process is gone");
    return 0;
}

/* What systemd listens on for us counts like --listen: the default is for when there is neither. */
static int listen_everywhere(struct server *server, const struct settings *settings, struct pe_error *err)
{
    int adopted = listener_adopt(server, err);
    if (adopted < 0)
        return -1;
    for (size_t i = 0; i < settings->listen.count; i++)
        if (listener_open(server, settings->listen.items[i], false, err) < 0)
            return -1;
    for (size_t i = 0; i < settings->listen_tls.count; i++)
        if (listener_open(server, settings->listen_tls.items[i], true, err) < 0)
            return -1;
    if (adopted || settings->listen.count || settings->listen_tls.count)
        return 0;
    return listener_open(server, "127.0.0.1:8080", false, err);
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
        listener_close_all(server);
        return -1;
    }
    return server_run(server, err);
}

int main(int argc, char **argv)
{
    static struct server server; /* libh2o keeps pointers into it until the process ends */
    pid_t parent = getppid();
    static struct settings settings;
    struct pe_error err = {0};
    if (argc > 1 && !strcmp(argv[1], STORE_KEEPER_ARGUMENT))
        return store_keeper_main(argc, argv);
    pe_log_init("pe-lb");
    if (settings_parse(&settings, argc, argv, &err) < 0 ||
        (settings.die_with_parent && die_with_parent(parent, &err) < 0))
        pe_die(2, &err);
    if (!strcmp(settings.log_format, "json")) {
        pe_log_use_json();
        setenv("PE_LOG_FORMAT", "json", 1); /* for the store keeper */
    }
    if (serve(&settings, &server, &err) < 0)
        pe_die(1, &err);
    settings_free(&settings);
    return EXIT_SUCCESS;
}
