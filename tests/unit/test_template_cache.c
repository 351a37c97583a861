/* SPDX-License-Identifier: Apache-2.0 */
/* Templates that are made by processes which hang. */
#include "worker/template_cache.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "store/store.h"
#include "tests/unit/check.h"
#include "tests/unit/no_vms.h"
#include "worker/slot_helper.h"
#include "worker/template_disk.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 180000, HANGS_AFTER_S = 20 };

/* ---- stand-ins ---- */

static const struct worker_config config = {.engine = {.snapshots = true}, .templates = {.mib = 100}};

static char name[] = "image:1";
static struct pe_image image = {.name = name};

int pe_store_list(const char *store, struct pe_store_images *images, struct pe_error *err)
{
    (void)store, (void)err;
    *images = (struct pe_store_images){.items = &image, .count = 1};
    return 0;
}

void pe_store_images_free(struct pe_store_images *images)
{
    *images = (struct pe_store_images){.count = 0};
}

const struct pe_image *pe_store_find(const struct pe_store_images *images, const char *reference,
                                     struct pe_error *err)
{
    (void)reference, (void)err;
    return &images->items[0];
}

int template_key_of_worker(const struct worker_config *worker, char key[TEMPLATE_KEY_SIZE],
                           struct pe_error *err)
{
    (void)worker, (void)err;
    strcpy(key, "worker");
    return 0;
}

int template_key(const struct worker_config *worker, const char *worker_key, const struct pe_image *of,
                 char key[TEMPLATE_KEY_SIZE], struct pe_error *err)
{
    (void)worker, (void)worker_key, (void)err;
    strcpy(key, of->name);
    return 0;
}

void template_disk_remove(const struct worker_config *worker, const char *key)
{
    (void)worker, (void)key;
}

void template_disk_sweep(const struct worker_config *worker)
{
    (void)worker;
}

uint64_t template_disk_bytes(const struct vm_snapshot *snapshot)
{
    (void)snapshot;
    return 0;
}

/* A maker that stands still. */
int template_maker_start(const struct worker_config *worker, const struct pe_image *of, const char *key,
                         struct template_maker *maker, struct pe_error *err)
{
    (void)worker, (void)of, (void)key, (void)err;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* if the test fails */
        raise(SIGSTOP);
        _exit(0);
    }
    close(pair[1]);
    *maker = (struct template_maker){.pid = pid, .fd = pair[0], .until_us = pe_now_us() + TEMPLATE_MAKER_US};
    return 0;
}

/* ---- tests ---- */

static void a_maker_that_hangs_is_killed_and_slots_need_not_wait_for_its_template(void **state)
{
    (void)state;
    static struct template_cache cache;
    struct pollfd fds[TEMPLATE_CACHE_MAX];
    const struct template *found = NULL;
    alarm(HANGS_AFTER_S);
    template_cache_open(&cache, &config);
    assert_int_equal(template_cache_lookup(&cache, name, &found), TEMPLATE_PENDING);
    struct template_maker *maker = &cache.items[0].maker;
    template_cache_maintain(&cache);
    assert_true(maker->pid > 0);
    assert_int_equal(template_cache_lookup(&cache, name, &found), TEMPLATE_PENDING);
    maker->until_us = pe_now_us(); /* its time is over */
    template_cache_maintain(&cache);
    assert_int_equal(template_cache_list_fds(&cache, fds), 1);
    assert_int_equal(poll(fds, 1, WAIT_MS), 1);
    template_cache_dispatch(&cache, fds);
    assert_int_equal(template_cache_lookup(&cache, name, &found), TEMPLATE_UNAVAILABLE);
    while (maker->pid)
        template_cache_maintain(&cache);
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_maker_that_hangs_is_killed_and_slots_need_not_wait_for_its_template),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
