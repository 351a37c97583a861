/* SPDX-License-Identifier: Apache-2.0 */
/* Lookup, making and eviction of templates. */
#include "worker/template_cache.h"

#include "base/io.h"
#include "base/log.h"
#include "store/store.h"
#include "worker/template_channel.h"
#include "worker/template_disk.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Templates that are made at the same time. Each maker boots a VM. */
#define MAKERS_MAX 1u

static bool is_loaded(const struct template *template)
{
    return template->snapshot.memory_fd >= 0;
}

/* ---- eviction ---- */

static void forget_template(struct template_cache *cache, struct template *template)
{
    vm_snapshot_close(&template->snapshot);
    *template = cache->items[--cache->count];
}

/* Drop the least recently used templates until the bounds on memory and on number are kept. A
 * running clone keeps the memory of its template until it ends. */
static void make_room(struct template_cache *cache)
{
    for (;;) {
        uint64_t bytes = 0;
        struct template *oldest = NULL;
        for (size_t i = 0; i < cache->count; i++) {
            struct template *one = &cache->items[i];
            bytes += is_loaded(one) ? template_disk_bytes(&one->snapshot) : 0;
            if (!one->maker.pid && (!oldest || one->used_us < oldest->used_us))
                oldest = one;
        }
        bool fits = bytes <= cache->config->templates.mib << 20 && cache->count < TEMPLATE_CACHE_MAX;
        if (fits || !oldest || (cache->count == 1 && is_loaded(oldest)))
            return;
        forget_template(cache, oldest);
    }
}

/* ---- lookup ---- */

/* The entry with this key, which is added if it is missing. NULL if every entry is in use. */
static struct template *find_or_add(struct template_cache *cache, const char *key)
{
    for (size_t i = 0; i < cache->count; i++)
        if (!strcmp(cache->items[i].key, key))
            return &cache->items[i];
    make_room(cache);
    if (cache->count == TEMPLATE_CACHE_MAX)
        return NULL;
    struct template *template = &cache->items[cache->count++];
    *template = (struct template){.snapshot = VM_SNAPSHOT_NONE, .maker.fd = -1};
    memcpy(template->key, key, TEMPLATE_KEY_SIZE);
    return template;
}

static size_t count_makers(const struct template_cache *cache)
{
    size_t n = 0;
    for (size_t i = 0; i < cache->count; i++)
        n += cache->items[i].maker.fd >= 0;
    return n;
}

static void start_maker(struct template_cache *cache, const struct pe_image *image, struct template *template)
{
    struct pe_error err;
    if (template_maker_start(cache->config, image, template->key, &template->maker, &err) == 0)
        return;
    pe_log(PE_LOG_ERROR, "%s", err.message);
    template->retry_after_us = pe_now_us() + TEMPLATE_RETRY_US;
}

static enum template_availability look_up_image(struct template_cache *cache, const struct pe_image *image,
                                                const struct template **found)
{
    char key[TEMPLATE_KEY_SIZE];
    struct pe_error err;
    if (template_key(cache->config, cache->worker_key, image, key, &err) < 0)
        return TEMPLATE_UNAVAILABLE;
    struct template *template = find_or_add(cache, key);
    *found = template;
    if (!template)
        return TEMPLATE_UNAVAILABLE;
    snprintf(template->image, sizeof template->image, "%s", image->name);
    memcpy(template->identity, image->identity, sizeof template->identity);
    template->used_us = pe_now_us();
    if (is_loaded(template))
        return TEMPLATE_LOADED;
    if (template->retry_after_us > pe_now_us())
        return TEMPLATE_UNAVAILABLE;
    if (!template->maker.pid && count_makers(cache) < MAKERS_MAX)
        start_maker(cache, image, template);
    return template->retry_after_us > pe_now_us() ? TEMPLATE_UNAVAILABLE : TEMPLATE_PENDING;
}

/* An image that is missing from the store is left to the boot, which fails with a better message.
 */
enum template_availability template_cache_lookup(struct template_cache *cache, const char *image,
                                                 const struct template **found)
{
    pe_autostoreimages struct pe_store_images images = {0};
    struct pe_error err;
    *found = NULL;
    if (!cache->worker_key[0] || pe_store_list(cache->config->store, &images, &err) < 0)
        return TEMPLATE_UNAVAILABLE;
    const struct pe_image *entry = pe_store_find(&images, image, &err);
    return entry ? look_up_image(cache, entry, found) : TEMPLATE_UNAVAILABLE;
}

/* A template that breaks every time must not keep the worker busy, so the second attempt has to
 * wait. */
void template_cache_report_broken(struct template_cache *cache, const char *image)
{
    for (size_t i = 0; i < cache->count; i++) {
        struct template *one = &cache->items[i];
        if (!is_loaded(one) || strcmp(one->image, image) != 0)
            continue;
        pe_log(PE_LOG_WARN, "template %.12s cannot be cloned; it will be made again", one->key);
        vm_snapshot_close(&one->snapshot);
        template_disk_remove(cache->config, one->key);
        one->retry_after_us = one->broken ? pe_now_us() + TEMPLATE_RETRY_US : 0;
        one->broken = true;
    }
}

/* ---- makers ---- */

size_t template_cache_list_fds(const struct template_cache *cache, struct pollfd *fds)
{
    for (size_t i = 0; i < cache->count; i++)
        fds[i] = (struct pollfd){.fd = cache->items[i].maker.fd, .events = POLLIN};
    return cache->count;
}

static void receive_template(struct template *template)
{
    struct template_message message;
    struct pe_error err;
    if (template_channel_receive(template->maker.fd, &message, &template->snapshot, &err) == 0)
        return;
    close(template->maker.fd);
    template->maker.fd = -1;
    template->retry_after_us = is_loaded(template) ? 0 : pe_now_us() + TEMPLATE_RETRY_US;
}

void template_cache_dispatch(struct template_cache *cache, const struct pollfd *fds)
{
    for (size_t i = 0; i < cache->count; i++)
        if (fds[i].revents)
            receive_template(&cache->items[i]);
}

/* A maker lives on after it has sent the template, while it writes the template to the disk. */
static void reap_makers(struct template_cache *cache)
{
    for (pid_t pid = waitpid(-1, NULL, WNOHANG); pid > 0; pid = waitpid(-1, NULL, WNOHANG))
        for (size_t i = 0; i < cache->count; i++)
            if (cache->items[i].maker.pid == pid)
                cache->items[i].maker.pid = 0;
}

/* One that hangs would keep the others from being made, and slots from a VM of their image. */
static void kill_late_makers(struct template_cache *cache)
{
    for (size_t i = 0; i < cache->count; i++) {
        struct template_maker *maker = &cache->items[i].maker;
        if (!maker->pid || pe_now_us() < maker->until_us)
            continue;
        pe_log(PE_LOG_ERROR, "the process that makes a template for %s does not end, and is killed",
               cache->items[i].image);
        kill(maker->pid, SIGKILL);
        maker->until_us = UINT64_MAX;
    }
}

void template_cache_maintain(struct template_cache *cache)
{
    make_room(cache);
    kill_late_makers(cache);
    reap_makers(cache);
}

/* ---- beginning and end ---- */

void template_cache_open(struct template_cache *cache, const struct worker_config *config)
{
    struct pe_error err;
    const struct template *ignored = NULL;
    *cache = (struct template_cache){.config = config};
    template_disk_sweep(config);
    if (config->engine.snapshots && template_key_of_worker(config, cache->worker_key, &err) < 0) {
        pe_log(PE_LOG_ERROR, "this worker makes no templates: %s", err.message);
        cache->worker_key[0] = '\0';
    }
    for (size_t i = 0; i < config->warm.count; i++)
        (void)template_cache_lookup(cache, config->warm.images[i], &ignored);
}

void template_cache_close(struct template_cache *cache)
{
    for (size_t i = 0; i < cache->count; i++)
        if (cache->items[i].maker.pid)
            kill(cache->items[i].maker.pid, SIGKILL);
}
