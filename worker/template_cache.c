/* Slots ask, makers make, this process waits for both and says who may start a VM. It makes nothing itself,
 * so that it always has an answer for a job that waits. */
#include "worker/template_cache.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "store/store.h"
#include "worker/stop_signal.h"
#include "worker/template_client.h"
#include "worker/template_disk.h"
#include "worker/template_maker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEMPLATES_MAX 64u
#define CLIENTS_MAX 2200u /* two for each slot of a host, and some that are about to be gone */

/* Makers at the same time: each boots a VM. */
#define MAKERS_MAX 1u

/* How long a template that could not be made is not tried again. */
#define RETRY_US (60 * 1000000ull)

struct template
{
    char key[TEMPLATE_KEY_SIZE];
    char image[PE_IMAGE_NAME_MAX + 1];
    char identity[PE_IMAGE_IDENTITY_SIZE]; /* of the image that it was last found for */
    struct vm_snapshot snapshot;           /* VM_SNAPSHOT_NONE: not in memory */
    struct template_maker maker;           /* pid 0: nobody is at it */
    uint64_t used_us;
    uint64_t retry_after_us; /* 0: it did not fail */
    bool broken;             /* it could not be cloned once */
};

struct client {
    int fd;
    char image[PE_IMAGE_NAME_MAX + 1];
    bool waiting;      /* for its turn to make a VM */
    bool making;       /* has the permission to */
    bool waits_to_run; /* has a job, ready to run */
    bool runs;         /* may run it */
    uint64_t since_us;
};

struct templates {
    const struct worker_config *config;
    char host_key[TEMPLATE_KEY_SIZE]; /* "": there are no templates on this host */
    int listener;
    struct template items[TEMPLATES_MAX];
    size_t count;
    struct client clients[CLIENTS_MAX];
    size_t client_count;
};

/* ---- templates ---- */

static bool is_loaded(const struct template *template)
{
    return template->snapshot.memory_fd >= 0;
}

static void forget_template(struct templates *templates, struct template *template)
{
    vm_snapshot_close(&template->snapshot);
    *template = templates->items[--templates->count];
}

/* Keep within the bound on memory, and on count: what was not used for longest goes. A clone that runs keeps
 * its template's memory until it ends. */
static void make_room(struct templates *templates)
{
    for (;;) {
        uint64_t bytes = 0;
        struct template *oldest = NULL;
        for (size_t i = 0; i < templates->count; i++) {
            struct template *one = &templates->items[i];
            bytes += is_loaded(one) ? template_bytes(&one->snapshot) : 0;
            if (!one->maker.pid && (!oldest || one->used_us < oldest->used_us))
                oldest = one;
        }
        bool fits = bytes <= templates->config->template_mib << 20 && templates->count < TEMPLATES_MAX;
        if (fits || !oldest || (templates->count == 1 && is_loaded(oldest)))
            return;
        forget_template(templates, oldest);
    }
}

static struct template *find_template(struct templates *templates, const char *key)
{
    for (size_t i = 0; i < templates->count; i++)
        if (!strcmp(templates->items[i].key, key))
            return &templates->items[i];
    make_room(templates);
    if (templates->count == TEMPLATES_MAX)
        return NULL;
    struct template *template = &templates->items[templates->count++];
    *template = (struct template){.snapshot = VM_SNAPSHOT_NONE, .maker.fd = -1};
    memcpy(template->key, key, TEMPLATE_KEY_SIZE);
    return template;
}

static size_t makers(const struct templates *templates)
{
    size_t n = 0;
    for (size_t i = 0; i < templates->count; i++)
        n += templates->items[i].maker.fd >= 0;
    return n;
}

static void start_maker(struct templates *templates, const struct pe_image *image, struct template *template)
{
    struct pe_error err;
    if (template_maker_start(templates->config, image, template->key, &template->maker, &err) == 0)
        return;
    pe_log(PE_LOG_ERROR, "%s", err.message);
    template->retry_after_us = pe_now_us() + RETRY_US;
}

/* What becomes of a wish for a VM. */
enum prospect {
    PROSPECT_CLONE, /* the template is there */
    PROSPECT_SOON,  /* it is being made, or will be */
    PROSPECT_BOOT,  /* there will not be one now */
};

static enum prospect judge(struct templates *templates, const struct pe_image *image, struct template **found)
{
    char key[TEMPLATE_KEY_SIZE];
    struct pe_error err;
    *found = NULL;
    if (template_key(templates->config, templates->host_key, image, key, &err) < 0)
        return PROSPECT_BOOT;
    struct template *template = find_template(templates, key);
    *found = template;
    if (!template)
        return PROSPECT_BOOT;
    snprintf(template->image, sizeof template->image, "%s", image->name);
    memcpy(template->identity, image->identity, sizeof template->identity);
    template->used_us = pe_now_us();
    if (is_loaded(template))
        return PROSPECT_CLONE;
    if (template->retry_after_us > pe_now_us())
        return PROSPECT_BOOT;
    if (!template->maker.pid && makers(templates) < MAKERS_MAX)
        start_maker(templates, image, template);
    return template->retry_after_us > pe_now_us() ? PROSPECT_BOOT : PROSPECT_SOON;
}

/* The same for an image of which only the name is known. One that is not in the store any more will fail to
 * boot with a better message than ours. */
static enum prospect judge_name(struct templates *templates, const char *name, struct template **found)
{
    pe_autostoreimages struct pe_store_images images = {0};
    struct pe_error err;
    *found = NULL;
    if (!templates->host_key[0] || pe_store_list(templates->config->store, &images, &err) < 0)
        return PROSPECT_BOOT;
    const struct pe_image *image = pe_store_find(&images, name, &err);
    return image ? judge(templates, image, found) : PROSPECT_BOOT;
}

static void on_maker(struct template *template)
{
    struct template_message message;
    struct pe_error err;
    int got = template_receive(template->maker.fd, &message, &template->snapshot, &err);
    if (got == 0)
        return;
    close(template->maker.fd);
    template->maker.fd = -1;
    template->retry_after_us = is_loaded(template) ? 0 : pe_now_us() + RETRY_US;
}

/* A maker may outlive its answer, while it writes to disk. */
static void reap_makers(struct templates *templates)
{
    for (pid_t pid = waitpid(-1, NULL, WNOHANG); pid > 0; pid = waitpid(-1, NULL, WNOHANG))
        for (size_t i = 0; i < templates->count; i++)
            if (templates->items[i].maker.pid == pid)
                templates->items[i].maker.pid = 0;
}

/* Templates of the configured images, before the first slot asks. */
static void make_configured(struct templates *templates)
{
    pe_autostoreimages struct pe_store_images images = {0};
    struct pe_error err;
    struct template *ignored = NULL;
    if (!templates->host_key[0] || pe_store_list(templates->config->store, &images, &err) < 0)
        return;
    for (size_t i = 0; i < templates->config->warm_count; i++) {
        const struct pe_image *image = pe_store_find(&images, templates->config->warm[i], &err);
        if (image)
            (void)judge(templates, image, &ignored);
    }
}

/* ---- slots ---- */

static void forget_client(struct templates *templates, struct client *client)
{
    close(client->fd);
    *client = templates->clients[--templates->client_count];
}

static void permit(struct client *client, enum prospect prospect, const struct template *template)
{
    struct template_message message = {.word = prospect == PROSPECT_CLONE ? TEMPLATE_GRANT_CLONE
                                                                          : TEMPLATE_GRANT_BOOT};
    struct pe_error err;
    if (prospect == PROSPECT_CLONE)
        memcpy(message.identity, template->identity, sizeof message.identity);
    client->waiting = false;
    client->making =
        template_send(client->fd, &message, prospect == PROSPECT_CLONE ? &template->snapshot : NULL, &err) ==
        0; /* a client that is gone shows at the next poll */
}

static size_t clients_making(const struct templates *templates)
{
    size_t n = 0;
    for (size_t i = 0; i < templates->client_count; i++)
        n += templates->clients[i].making;
    return n;
}

static struct client *longest_waiting(struct templates *templates, uint64_t after_us)
{
    struct client *found = NULL;
    for (size_t i = 0; i < templates->client_count; i++) {
        struct client *one = &templates->clients[i];
        if (one->waiting && one->since_us > after_us && (!found || one->since_us < found->since_us))
            found = one;
    }
    return found;
}

/* In the order in which they asked; one whose template is still being made does not hold up the others. */
static void permit_waiting(struct templates *templates)
{
    uint64_t after_us = 0;
    struct client *client = NULL;
    while (clients_making(templates) < templates->config->refills &&
           (client = longest_waiting(templates, after_us))) {
        struct template *template = NULL;
        enum prospect prospect = judge_name(templates, client->image, &template);
        after_us = client->since_us;
        if (prospect != PROSPECT_SOON)
            permit(client, prospect, template);
    }
}

static uint64_t next_moment(void)
{
    static uint64_t last_us;
    uint64_t now = pe_now_us();
    last_us = now > last_us ? now : last_us + 1; /* no two are the same */
    return last_us;
}

static void on_want(struct templates *templates, struct client *client,
                    const struct template_message *message)
{
    client->since_us = next_moment();
    client->waiting = true;
    memcpy(client->image, message->image, sizeof client->image);
    if (message->word != TEMPLATE_REQUEST_VM_NOW)
        return;
    struct template *template = NULL;
    enum prospect prospect = judge_name(templates, client->image, &template);
    permit(client, prospect, template);
}

/* Jobs run in the order in which they became ready. */
static void permit_runs(struct templates *templates)
{
    static const struct template_message turn = {.word = TEMPLATE_REQUEST_RUN};
    size_t running = 0;
    struct pe_error err;
    for (size_t i = 0; i < templates->client_count; i++)
        running += templates->clients[i].runs;
    while (running < templates->config->slots) {
        struct client *next = NULL;
        for (size_t i = 0; i < templates->client_count; i++) {
            struct client *one = &templates->clients[i];
            if (one->waits_to_run && (!next || one->since_us < next->since_us))
                next = one;
        }
        if (!next)
            return;
        next->waits_to_run = false;
        next->runs = template_send(next->fd, &turn, NULL, &err) == 0;
        running += next->runs;
    }
}

/* A template that cannot be cloned is of no use to anybody, here and on disk. One that is made anew in vain
 * every time would keep the host busy: it has to wait. */
static void on_broken(struct templates *templates, const char *image)
{
    for (size_t i = 0; i < templates->count; i++) {
        struct template *one = &templates->items[i];
        if (!is_loaded(one) || strcmp(one->image, image) != 0)
            continue;
        pe_log(PE_LOG_WARN, "template %.12s cannot be cloned; it is made anew", one->key);
        vm_snapshot_close(&one->snapshot);
        template_remove(templates->config, one->key);
        one->retry_after_us = one->broken ? pe_now_us() + RETRY_US : 0;
        one->broken = true;
    }
}

/* False: the client is gone. */
static bool on_client(struct templates *templates, struct client *client)
{
    struct template_message message;
    struct vm_snapshot none;
    struct pe_error err;
    int got = template_receive(client->fd, &message, &none, &err);
    vm_snapshot_close(&none);
    if (got < 0)
        return false;
    if (got > 0 && message.word == TEMPLATE_RELEASE) {
        client->making = client->runs = false;
    } else if (got > 0 && message.word == TEMPLATE_REQUEST_RUN) {
        client->since_us = next_moment();
        client->waits_to_run = true;
    } else if (got > 0 && message.word == TEMPLATE_REPORT_BROKEN) {
        on_broken(templates, message.image);
    } else if (got > 0) {
        on_want(templates, client, &message);
    }
    return true;
}

static void accept_client(struct templates *templates)
{
    int fd = accept4(templates->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && templates->client_count < CLIENTS_MAX)
        templates->clients[templates->client_count++] = (struct client){.fd = fd};
    else if (fd >= 0)
        close(fd);
}

/* ---- the loop ---- */

static size_t list_descriptors(const struct templates *templates, struct pollfd *fds)
{
    size_t n = 0;
    fds[n++] = (struct pollfd){.fd = templates->listener, .events = POLLIN};
    for (size_t i = 0; i < templates->client_count; i++)
        fds[n++] = (struct pollfd){.fd = templates->clients[i].fd, .events = POLLIN};
    for (size_t i = 0; i < templates->count; i++)
        fds[n++] = (struct pollfd){.fd = templates->items[i].maker.fd, .events = POLLIN};
    return n;
}

/* From the last to the first: forgetting one moves the last into its place. */
static void dispatch(struct templates *templates, const struct pollfd *fds)
{
    size_t clients = templates->client_count, count = templates->count;
    for (size_t i = count; i-- > 0;)
        if (fds[1 + clients + i].revents)
            on_maker(&templates->items[i]);
    for (size_t i = clients; i-- > 0;)
        if (fds[1 + i].revents && !on_client(templates, &templates->clients[i]))
            forget_client(templates, &templates->clients[i]);
    if (fds[0].revents)
        accept_client(templates);
}

static void on_child(int signal)
{
    (void)signal; /* only to interrupt ppoll(2) */
}

/* SIGCHLD, like the signals that ask for a stop, comes only while we wait. */
static void serve(struct templates *templates)
{
    static struct pollfd fds[1 + CLIENTS_MAX + TEMPLATES_MAX];
    const struct sigaction child = {.sa_handler = on_child};
    sigset_t unblocked;
    sigemptyset(&unblocked);
    sigaction(SIGCHLD, &child, NULL);
    while (!stop_requested) {
        size_t count = list_descriptors(templates, fds);
        const struct timespec retry = {.tv_sec = RETRY_US / 1000000};
        int ready = ppoll(fds, count, &retry, &unblocked);
        if (ready > 0)
            dispatch(templates, fds);
        make_room(templates);
        reap_makers(templates);
        permit_waiting(templates);
        permit_runs(templates);
    }
}

static void block_signals(void)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
}

int templates_main(const struct worker_config *config)
{
    static struct templates templates;
    struct pe_error err;
    templates = (struct templates){.config = config, .listener = config->template_listener};
    block_signals();
    template_sweep(config);
    if (config->snapshots && template_key_of_worker(config, templates.host_key, &err) < 0) {
        pe_log(PE_LOG_ERROR, "no templates: %s", err.message);
        templates.host_key[0] = '\0';
    }
    make_configured(&templates);
    serve(&templates);
    for (size_t i = 0; i < templates.count; i++)
        if (templates.items[i].maker.pid)
            kill(templates.items[i].maker.pid, SIGKILL);
    return 0;
}
