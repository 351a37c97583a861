/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop's side of the result store: messages to the helper and back, and timeouts. The
 * helper's side is store_keeper.c, and its life is helper.c's part. */
#include "lb/core/result_store.h"

#include "base/log.h"
#include "base/private_file.h"
#include "lb/core/store_keeper.h"
#include "lb/core/store_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIMEOUT_MS = 400,              /* of a lookup */
    DRAIN_MS = 10000,              /* how long the helper may read nothing at the end */
    END_MS = 60000,                /* for the last results to be stored after it has been sent all */
    QUEUED_MAX = 32 * 1024 * 1024, /* bytes on their way to the helper; results beyond that are dropped */
};

static struct result_store *from_helper(struct helper *helper)
{
    return pe_list_entry(helper, struct result_store, helper);
}

struct lookup {
    struct pe_list in_lookups;
    struct result_store *store;
    result_store_callback *callback; /* NULL: forgotten */
    void *data;
    uint64_t tag;
    struct job_key key;
    struct loop_timer timeout;
};

/* ---- lookups ---- */

static struct lookup *find_lookup(const struct result_store *store, uint64_t tag)
{
    pe_list_for_each(node, &store->lookups)
    {
        struct lookup *lookup = pe_list_entry(node, struct lookup, in_lookups);
        if (lookup->tag == tag)
            return lookup;
    }
    return NULL;
}

static void end_lookup(struct lookup *lookup, struct job_result *result)
{
    result_store_callback *callback = lookup->callback;
    void *data = lookup->data;
    struct loop *loop = lookup->store->loop;
    pe_list_remove(&lookup->in_lookups);
    loop->ops->stop_timer(loop, &lookup->timeout);
    free(lookup);
    if (callback)
        callback(data, result);
}

static void on_timeout(struct loop_timer *timer)
{
    struct lookup *lookup = pe_list_entry(timer, struct lookup, timeout);
    lookup->store->timeouts++;
    end_lookup(lookup, NULL);
}

void result_store_forget(struct result_store *store, const void *data)
{
    pe_list_for_each(node, &store->lookups)
    {
        struct lookup *lookup = pe_list_entry(node, struct lookup, in_lookups);
        if (lookup->data == data)
            lookup->callback = NULL;
    }
}

/* ---- receiving ---- */

static void on_answer(struct result_store *store, const struct store_frame *frame, const void *payload)
{
    struct pe_error err;
    struct job_result *result = NULL;
    struct lookup *lookup = find_lookup(store, frame->tag);
    const struct job_key *key = lookup ? &lookup->key : &frame->key; /* a late answer is only counted */
    if (frame->kind == STORE_FOUND &&
        !(result = job_result_decode(store->account, key, payload, frame->size, &err)))
        pe_log(PE_LOG_WARN, "%s", err.message);
    *(result ? &store->hits : &store->misses) += 1;
    if (lookup)
        end_lookup(lookup, result);
    job_result_unref(result);
}

/* Handle all complete messages. Returns -1 for a message that the helper cannot have sent. */
static int on_bytes(struct helper *helper)
{
    struct store_frame frame;
    struct pe_buf *in = &helper->in;
    size_t at = 0;
    while (in->size - at >= sizeof frame) {
        memcpy(&frame, in->data + at, sizeof frame);
        if (frame.size > STORE_PAYLOAD_MAX)
            return -1;
        if (in->size - at - sizeof frame < frame.size)
            break;
        on_answer(from_helper(helper), &frame, in->data + at + sizeof frame);
        at += sizeof frame + frame.size;
    }
    pe_buf_consume(in, at);
    return 0;
}

static void on_gone(struct helper *helper)
{
    const struct result_store *store = from_helper(helper);
    while (store->lookups.next != &store->lookups)
        end_lookup(pe_list_entry(store->lookups.next, struct lookup, in_lookups), NULL);
}

/* ---- life ---- */

static void set_arguments(struct result_store *store)
{
    const struct result_store_settings *settings = store->settings;
    size_t count = 0;
    snprintf(store->disk_mib_text, sizeof store->disk_mib_text, "%llu",
             (unsigned long long)settings->disk_mib);
    store->arguments[count++] = "pe-lb";
    store->arguments[count++] = STORE_KEEPER_ARGUMENT;
    store->arguments[count++] = HELPER_FD;
    store->arguments[count++] = store->disk_mib_text;
    store->arguments[count++] = settings->folder ? settings->folder : "";
    snprintf(store->age_text, sizeof store->age_text, "%llu", (unsigned long long)settings->age_max_s);
    store->arguments[count++] = store->age_text;
    for (size_t i = 0; i < settings->memcached.count; i++)
        store->arguments[count++] = settings->memcached.items[i];
    for (size_t i = 0; i < settings->redis.count; i++) {
        snprintf(store->redis[i], sizeof store->redis[i], STORE_KEEPER_REDIS "%s", settings->redis.items[i]);
        store->arguments[count++] = store->redis[i];
    }
    if (settings->redis.count && settings->redis_password_file) {
        char *text = store->redis[RESULT_STORE_SERVERS_MAX];
        snprintf(text, sizeof store->redis[0], STORE_KEEPER_REDIS_PASSWORD "%s",
                 settings->redis_password_file);
        store->arguments[count++] = text;
    }
}

static int check_servers(const struct result_store_settings *settings, struct pe_error *err)
{
    const size_t password_size = settings->redis_password_file ? strlen(settings->redis_password_file) : 0;
    if (settings->memcached.count > RESULT_STORE_SERVERS_MAX ||
        settings->redis.count > RESULT_STORE_SERVERS_MAX)
        return pe_fail(err, PE_ERR_INVALID, "--memcached and --redis may be given at most %d times",
                       RESULT_STORE_SERVERS_MAX);
    for (size_t i = 0; i < settings->redis.count; i++)
        if (strlen(settings->redis.items[i]) + sizeof STORE_KEEPER_REDIS > RESULT_STORE_SERVER_SIZE)
            return pe_fail(err, PE_ERR_INVALID, "--redis %.40s… is too long", settings->redis.items[i]);
    if (password_size + sizeof STORE_KEEPER_REDIS_PASSWORD > RESULT_STORE_SERVER_SIZE)
        return pe_fail(err, PE_ERR_INVALID, "the path of --redis-password-file is too long");
    if (password_size && pe_private_file_check_path(settings->redis_password_file, err) < 0)
        return pe_fail_context(err, "--redis-password-file");
    return 0;
}

/* Whether results are kept anywhere but in memory. */
static bool has_store(const struct result_store_settings *settings)
{
    return settings->folder || settings->memcached.count || settings->redis.count;
}

int result_store_init(struct result_store *store, struct loop *loop,
                      const struct result_store_settings *settings, size_t *account, struct pe_error *err)
{
    static const struct helper_ops ops = {
        .on_bytes = on_bytes,
        .on_gone = on_gone,
        .lost = "the store helper has exited: results are kept in memory only until it is restarted"};
    *store = (struct result_store){.settings = settings, .loop = loop, .account = account};
    pe_list_init(&store->lookups);
    helper_init(&store->helper, loop, &ops, store->arguments);
    if (check_servers(settings, err) < 0)
        return -1;
    set_arguments(store);
    return has_store(settings) ? helper_start(&store->helper, err) : 0;
}

void result_store_close(struct result_store *store)
{
    struct helper *helper = &store->helper;
    bool stuck = helper->watch && helper_drain(helper, DRAIN_MS) < 0;
    if (stuck)
        pe_log(PE_LOG_WARN, "the last results were not stored: the store helper does not read");
    helper_close(helper, stuck ? 0 : END_MS);
}

/* ---- looking up and storing ---- */

bool result_store_lookup(struct result_store *store, const struct job_key *key,
                         result_store_callback *callback, void *data)
{
    struct pe_error err;
    struct lookup *lookup = NULL;
    if (!store->helper.watch || store->helper.out.size > QUEUED_MAX || !(lookup = calloc(1, sizeof *lookup)))
        return false;
    struct store_frame frame = {.kind = STORE_GET, .tag = ++store->tags, .key = *key};
    if (pe_buf_append(&store->helper.out, &frame, sizeof frame, &err) < 0) {
        free(lookup);
        return false;
    }
    *lookup = (struct lookup){.store = store,
                              .callback = callback,
                              .data = data,
                              .tag = frame.tag,
                              .key = *key,
                              .timeout = {.on_expire = on_timeout}};
    store->loop->ops->start_timer(store->loop, &lookup->timeout, TIMEOUT_MS);
    pe_list_append(&store->lookups, &lookup->in_lookups);
    helper_flush(&store->helper);
    return true;
}

void result_store_put(struct result_store *store, const struct job_key *key, const struct job_result *result)
{
    struct pe_error err;
    if (!store->helper.watch)
        return;
    size_t at = store->helper.out.size;
    struct store_frame frame = {.kind = STORE_PUT, .key = *key};
    if (at + result->bytes.size > QUEUED_MAX) {
        store->dropped++;
        return;
    }
    if (pe_buf_append(&store->helper.out, &frame, sizeof frame, &err) < 0 ||
        job_result_encode(result, key, &store->helper.out, &err) < 0 ||
        store->helper.out.size - at - sizeof frame > STORE_PAYLOAD_MAX) {
        store->helper.out.size = at; /* remove the incomplete message */
        store->dropped++;
        return;
    }
    frame.size = (uint32_t)(store->helper.out.size - at - sizeof frame);
    memcpy(store->helper.out.data + at, &frame, sizeof frame);
    helper_flush(&store->helper);
}

bool result_store_remove(struct result_store *store, const struct job_key *key)
{
    struct pe_error err;
    const struct store_frame frame = {.kind = STORE_REMOVE, .key = *key};
    if (!has_store(store->settings))
        return true;
    if (!store->helper.watch || store->helper.out.size > QUEUED_MAX ||
        pe_buf_append(&store->helper.out, &frame, sizeof frame, &err) < 0)
        return false;
    helper_flush(&store->helper);
    return true;
}
