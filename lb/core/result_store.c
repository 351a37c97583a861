/* The event loop's side of the store: messages to the keeper and back, its life, and patience. */
#include "lb/core/result_store.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "lb/core/job.h"
#include "lb/core/store_keeper.h"
#include "lb/core/store_wire.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 400,
    RESTART_MS = 1000,
    QUEUED_MAX = 32 * 1024 * 1024, /* bytes on their way to the keeper; results over that are not kept */
};

struct lookup {
    struct list in_lookups;
    struct result_store *store;
    struct job *job; /* NULL: forgotten */
    uint64_t tag;
    h2o_timeout_entry_t patience;
};

/* ---- lookups ---- */

static struct lookup *find_lookup(const struct result_store *store, uint64_t tag)
{
    list_for_each(node, &store->lookups)
    {
        struct lookup *lookup = list_entry(node, struct lookup, in_lookups);
        if (lookup->tag == tag)
            return lookup;
    }
    return NULL;
}

static void end_lookup(struct lookup *lookup, struct job_result *result)
{
    struct job *job = lookup->job;
    list_remove(&lookup->in_lookups);
    h2o_timeout_unlink(&lookup->patience);
    free(lookup);
    if (job)
        job_on_lookup(job, result);
}

static void on_impatience(h2o_timeout_entry_t *entry)
{
    struct lookup *lookup = H2O_STRUCT_FROM_MEMBER(struct lookup, patience, entry);
    lookup->store->timeouts++;
    end_lookup(lookup, NULL);
}

void result_store_forget(struct result_store *store, struct job *job)
{
    list_for_each(node, &store->lookups)
    {
        struct lookup *lookup = list_entry(node, struct lookup, in_lookups);
        if (lookup->job == job)
            lookup->job = NULL;
    }
}

/* ---- messages ---- */

static void flush(struct result_store *store);

static void on_sent(h2o_socket_t *sock, const char *error)
{
    struct result_store *store = sock->data;
    store->sending.size = 0;
    if (!error) /* the reader sees an end, too */
        flush(store);
}

static void flush(struct result_store *store)
{
    if (!store->sock || store->sending.size || !store->out.size)
        return;
    struct pe_buf spare = store->sending;
    store->sending = store->out;
    store->out = spare;
    h2o_iovec_t bytes = h2o_iovec_init(store->sending.data, store->sending.size);
    h2o_socket_write(store->sock, &bytes, 1, on_sent);
}

static void on_answer(struct result_store *store, const struct store_frame *frame, const void *payload)
{
    struct pe_error err;
    struct job_result *result = NULL;
    struct lookup *lookup = find_lookup(store, frame->tag);
    if (frame->kind == STORE_FOUND &&
        !(result = job_result_decode(store->account, payload, frame->size, &err)))
        pe_log(PE_LOG_WARN, "%s", err.message);
    *(result ? &store->hits : &store->misses) += 1;
    if (lookup)
        end_lookup(lookup, result);
    job_result_unref(result);
}

static void stop_keeper(struct result_store *store);
static void schedule_restart(struct result_store *store);

static void on_readable(h2o_socket_t *sock, const char *error)
{
    struct result_store *store = sock->data;
    struct store_frame frame;
    if (error) {
        pe_log(PE_LOG_ERROR, "the store keeper ended: results are kept in memory only, for now");
        stop_keeper(store);
        schedule_restart(store);
        return;
    }
    while (store->sock && sock->input->size >= sizeof frame) {
        memcpy(&frame, sock->input->bytes, sizeof frame);
        if (sock->input->size - sizeof frame < frame.size)
            return;
        on_answer(store, &frame, sock->input->bytes + sizeof frame);
        h2o_buffer_consume(&sock->input, sizeof frame + frame.size);
    }
}

/* ---- the keeper's life ---- */

static void become_keeper(const struct result_store_settings *settings, int fd)
{
    char size_text[24];
    const char *arguments[6 + 64] = {"pe-lb", STORE_KEEPER_ARGUMENT, "3", size_text,
                                     settings->folder ? settings->folder : ""};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    snprintf(size_text, sizeof size_text, "%llu", (unsigned long long)settings->disk_mib);
    for (size_t i = 0; i < settings->memcached.count && i < 64; i++)
        arguments[5 + i] = settings->memcached.items[i];
    /* Of what we have open it gets the socket and stderr: what others passed to us, too, must end with us. */
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (dup2(nothing, 0) == 0 && dup2(nothing, 1) == 1 &&
        (fd == 3 ? fcntl(fd, F_SETFD, 0) : dup2(fd, 3)) >= 0 && close_range(4, UINT_MAX, 0) == 0)
        execv("/proc/self/exe", (char *const *)arguments);
    _exit(127);
}

static int start_keeper(struct result_store *store, struct pe_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return pe_fail_errno(err, "socketpair");
    pe_autoclose int ours = pair[0];
    pe_autoclose int theirs = pair[1];
    store->keeper = fork();
    if (store->keeper == 0)
        become_keeper(store->settings, theirs);
    if (store->keeper < 0) {
        store->keeper = 0;
        return pe_fail_errno(err, "fork for the store keeper");
    }
    store->sock = h2o_evloop_socket_create(store->loop, pe_steal_fd(&ours), 0);
    store->sock->data = store;
    h2o_socket_read_start(store->sock, on_readable);
    return 0;
}

static void stop_keeper(struct result_store *store)
{
    if (store->sock)
        h2o_socket_close(store->sock);
    store->sock = NULL;
    store->out.size = store->sending.size = 0;
    if (store->keeper)
        waitpid(store->keeper, NULL, 0); /* its socket is closed: it ends */
    store->keeper = 0;
    while (store->lookups.next != &store->lookups)
        end_lookup(list_entry(store->lookups.next, struct lookup, in_lookups), NULL);
}

static void on_restart(h2o_timeout_entry_t *entry)
{
    struct result_store *store = H2O_STRUCT_FROM_MEMBER(struct result_store, restart, entry);
    struct pe_error err;
    if (start_keeper(store, &err) == 0)
        return;
    pe_log(PE_LOG_ERROR, "%s", err.message);
    schedule_restart(store);
}

static void schedule_restart(struct result_store *store)
{
    store->restart.cb = on_restart;
    h2o_timeout_link(store->loop, &store->pause, &store->restart);
}

int result_store_init(struct result_store *store, h2o_loop_t *loop,
                      const struct result_store_settings *settings, size_t *account, struct pe_error *err)
{
    *store = (struct result_store){.settings = settings, .loop = loop, .account = account};
    list_init(&store->lookups);
    h2o_timeout_init(loop, &store->patience, PATIENCE_MS);
    h2o_timeout_init(loop, &store->pause, RESTART_MS);
    if (settings->memcached.count > 64)
        return pe_fail(err, PE_ERR_INVALID, "at most 64 memcached servers");
    return settings->folder || settings->memcached.count ? start_keeper(store, err) : 0;
}

void result_store_close(struct result_store *store)
{
    h2o_timeout_unlink(&store->restart);
    if (store->sock) { /* what is still on its way goes out now, and this may block */
        int fd = h2o_socket_get_fd(store->sock);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
        struct pe_error ignored;
        if (!store->sending.size && pe_write_all(fd, store->out.data, store->out.size, "store", &ignored) < 0)
            pe_log(PE_LOG_WARN, "%s", ignored.message);
    }
    stop_keeper(store);
    pe_buf_free(&store->out);
    pe_buf_free(&store->sending);
}

/* ---- asking and keeping ---- */

bool result_store_lookup(struct result_store *store, struct job *job)
{
    struct pe_error err;
    struct lookup *lookup = NULL;
    if (!store->sock || store->out.size > QUEUED_MAX || !(lookup = calloc(1, sizeof *lookup)))
        return false;
    struct store_frame frame = {.kind = STORE_GET, .tag = ++store->tags, .key = job->key};
    if (pe_buf_append(&store->out, &frame, sizeof frame, &err) < 0) {
        free(lookup);
        return false;
    }
    *lookup = (struct lookup){.store = store, .job = job, .tag = frame.tag};
    lookup->patience.cb = on_impatience;
    h2o_timeout_link(store->loop, &store->patience, &lookup->patience);
    list_append(&store->lookups, &lookup->in_lookups);
    flush(store);
    return true;
}

void result_store_put(struct result_store *store, const struct job_key *key, const struct job_result *result)
{
    struct pe_error err;
    if (!store->sock)
        return;
    size_t at = store->out.size;
    struct store_frame frame = {.kind = STORE_PUT, .key = *key};
    if (at + result->bytes.size > QUEUED_MAX) {
        store->dropped++;
        return;
    }
    if (pe_buf_append(&store->out, &frame, sizeof frame, &err) < 0 ||
        job_result_encode(result, &store->out, &err) < 0 ||
        store->out.size - at - sizeof frame > STORE_PAYLOAD_MAX) {
        store->out.size = at; /* as if it had not been */
        store->dropped++;
        return;
    }
    frame.size = (uint32_t)(store->out.size - at - sizeof frame);
    memcpy(store->out.data + at, &frame, sizeof frame);
    flush(store);
}
