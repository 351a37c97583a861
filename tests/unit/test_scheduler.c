/* SPDX-License-Identifier: Apache-2.0 */
/* Which job goes to which slot. */
#include "lb/core/scheduler.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <string.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const int owners[2]; /* addresses that stand for registrations */

static const struct pe_isolation_set anything; /* no demand */

static void register_isolated(struct scheduler *scheduler, const void *owner, const char *worker,
                              const char *image, enum pe_isolation isolation)
{
    struct pe_error err;
    struct pe_hello hello = {.slots = 1, .isolation = isolation};
    snprintf(hello.host, sizeof hello.host, "%s", worker);
    hello.images = json_pack("[{s:s, s:s}]", "name", image, "digest", DIGEST);
    assert_int_equal(scheduler_worker_hello(scheduler, owner, &hello, &err), 0);
    json_decref(hello.images);
}

static void register_worker(struct scheduler *scheduler, const void *owner, const char *worker,
                            const char *image)
{
    register_isolated(scheduler, owner, worker, image, PE_ISOLATION_EMULATION);
}

static void add_slot(struct scheduler *scheduler, struct slot *slot, const char *worker, const char *warm)
{
    *slot = (struct slot){0};
    scheduler_slot_add(scheduler, slot);
    scheduler_slot_ready(scheduler, slot, worker, warm);
}

static struct client_queue nobody; /* whose jobs they are where that does not matter */

static void init(struct scheduler *scheduler, size_t jobs)
{
    const struct queue_limits limits = {.jobs = jobs, .bytes = 1000};
    nobody = (struct client_queue){0};
    scheduler_init(scheduler, &limits);
}

static void submit_for(struct scheduler *scheduler, struct client_queue *client, struct queue_entry *job,
                       const char *image)
{
    struct pe_error err;
    *job = (struct queue_entry){.client = client, .image = image};
    assert_int_equal(scheduler_submit(scheduler, job, false, &err), 0);
}

static void submit(struct scheduler *scheduler, struct queue_entry *job, const char *image, bool front)
{
    struct pe_error err;
    *job = (struct queue_entry){.client = &nobody, .image = image};
    assert_int_equal(scheduler_submit(scheduler, job, front, &err), 0);
}

static void assert_next(struct scheduler *scheduler, const struct slot *slot, const struct queue_entry *job)
{
    const struct queue_entry *matched = scheduler_match(scheduler);
    assert_ptr_equal(matched, job);
    assert_ptr_equal(matched->slot, slot);
}

static void assert_nothing(struct scheduler *scheduler)
{
    assert_null(scheduler_match(scheduler));
}

static void a_slot_that_is_warm_for_the_image_comes_first(void **state)
{
    (void)state;
    struct scheduler s;
    struct slot cold, warm;
    struct queue_entry job;
    init(&s, 10);
    register_worker(&s, &owners[0], "h", "gcc:14");
    add_slot(&s, &cold, "h", "");
    add_slot(&s, &warm, "h", "gcc:14");
    submit(&s, &job, "gcc:14", false);
    assert_next(&s, &warm, &job);
    scheduler_entry_remove(&s, &job);
    scheduler_slot_remove(&s, &cold);
    scheduler_slot_remove(&s, &warm);
    scheduler_worker_gone(&s, &owners[0]);
}

static void a_job_waits_for_a_worker_that_has_its_image_and_blocks_no_other(void **state)
{
    (void)state;
    struct scheduler s;
    struct slot slot;
    struct queue_entry first, second;
    init(&s, 10);
    register_worker(&s, &owners[0], "h", "gcc:14");
    add_slot(&s, &slot, "h", "");
    submit(&s, &first, "clang:19", false);
    submit(&s, &second, "gcc:14", false);
    assert_null(scheduler_find_image(&s, "clang:19", anything));
    assert_next(&s, &slot, &second);
    assert_nothing(&s);
    scheduler_entry_remove(&s, &first);
    scheduler_entry_remove(&s, &second);
    scheduler_slot_remove(&s, &slot);
    scheduler_worker_gone(&s, &owners[0]);
    assert_null(scheduler_find_image(&s, "gcc:14", anything));
}

static void a_job_that_lost_its_slot_goes_before_those_that_came_later(void **state)
{
    (void)state;
    struct scheduler s;
    struct slot slot;
    struct queue_entry waiting, lost;
    init(&s, 1);
    register_worker(&s, &owners[0], "h", "gcc:14");
    submit(&s, &waiting, "gcc:14", false);
    submit(&s, &lost, "gcc:14", true); /* finds room in a queue that is full */
    add_slot(&s, &slot, "h", "");
    assert_next(&s, &slot, &lost);
    scheduler_entry_remove(&s, &lost);
    scheduler_entry_remove(&s, &waiting);
    scheduler_slot_remove(&s, &slot);
    scheduler_worker_gone(&s, &owners[0]);
}

static void a_full_queue_says_so(void **state)
{
    (void)state;
    struct scheduler s;
    struct pe_error err;
    struct queue_entry first, second = {.client = &nobody, .image = "gcc:14"};
    init(&s, 1);
    submit(&s, &first, "gcc:14", false);
    assert_int_equal(scheduler_submit(&s, &second, false, &err), -1);
    assert_int_equal(err.kind, PE_ERR_BUSY);
    scheduler_entry_remove(&s, &first);
}

static void slots_of_a_worker_that_is_gone_get_no_job(void **state)
{
    (void)state;
    struct scheduler s;
    struct slot slot;
    struct queue_entry job;
    init(&s, 10);
    register_worker(&s, &owners[0], "h", "gcc:14");
    add_slot(&s, &slot, "h", "gcc:14");
    scheduler_worker_gone(&s, &owners[0]);
    submit(&s, &job, "gcc:14", false);
    assert_nothing(&s);
    register_worker(&s, &owners[1], "h", "gcc:14");
    assert_next(&s, &slot, &job);
    scheduler_entry_remove(&s, &job);
    scheduler_slot_remove(&s, &slot);
    scheduler_worker_gone(&s, &owners[1]);
}

static void a_worker_that_was_lost_keeps_its_images_and_slots_for_a_while(void **state)
{
    (void)state;
    struct scheduler s;
    struct slot slot;
    struct queue_entry job;
    init(&s, 10);
    register_worker(&s, &owners[0], "h", "gcc:14");
    add_slot(&s, &slot, "h", "");
    assert_true(scheduler_worker_lost(&s, &owners[0], 100));
    assert_int_equal(s.worker_count, 0);
    assert_int_equal(s.known_count, 1);
    assert_non_null(scheduler_find_image(&s, "gcc:14", anything));
    submit(&s, &job, "gcc:14", false);
    assert_next(&s, &slot, &job);
    assert_int_equal(scheduler_forget_away(&s, 99), 100);
    register_worker(&s, &owners[1], "h", "gcc:15"); /* it returned, with another image */
    assert_int_equal(scheduler_forget_away(&s, 100), 0);
    assert_int_equal(s.worker_count, 1);
    assert_null(scheduler_find_image(&s, "gcc:14", anything));
    assert_true(scheduler_worker_lost(&s, &owners[1], 200));
    assert_int_equal(scheduler_forget_away(&s, 200), 0);
    assert_int_equal(s.known_count, 0);
    assert_null(scheduler_find_image(&s, "gcc:15", anything));
    assert_null(slot.worker);
    scheduler_entry_remove(&s, &job);
    scheduler_slot_remove(&s, &slot);
}

static void say_hello(struct scheduler *scheduler, const void *owner, const char *worker, bool draining)
{
    struct pe_error err;
    struct pe_hello hello = {.slots = 1, .isolation = PE_ISOLATION_EMULATION, .draining = draining};
    snprintf(hello.host, sizeof hello.host, "%s", worker);
    hello.images = json_array();
    assert_int_equal(scheduler_worker_hello(scheduler, owner, &hello, &err), 0);
    json_decref(hello.images);
}

static void a_worker_that_said_that_it_stops_is_not_expected_back(void **state)
{
    (void)state;
    struct scheduler s;
    init(&s, 10);
    say_hello(&s, &owners[0], "h", true);
    assert_false(scheduler_worker_lost(&s, &owners[0], 100));
    assert_int_equal(s.known_count, 0);
}

static void a_second_registration_with_a_name_counts_after_the_first_one(void **state)
{
    (void)state;
    struct scheduler s;
    init(&s, 10);
    register_worker(&s, &owners[0], "h", "gcc:14");
    const uint64_t serial = scheduler_find_worker(&s, "h")->claim->serial;
    say_hello(&s, &owners[1], "h", false); /* a foreign one, without images */
    assert_true(scheduler_worker_counts(&s, &owners[0]));
    assert_false(scheduler_worker_counts(&s, &owners[1]));
    assert_non_null(scheduler_find_image(&s, "gcc:14", anything));
    scheduler_worker_gone(&s, &owners[1]);
    assert_non_null(scheduler_find_image(&s, "gcc:14", anything));
    assert_true(scheduler_worker_lives(&s, serial));
    say_hello(&s, &owners[1], "h", false); /* the same worker, whose old connection is dead */
    assert_false(scheduler_worker_lost(&s, &owners[0], 100));
    assert_true(scheduler_worker_counts(&s, &owners[1]));
    assert_int_equal(s.worker_count, 1);
    say_hello(&s, &owners[1], "other", false); /* and takes another name */
    assert_null(scheduler_find_worker(&s, "h"));
    scheduler_worker_gone(&s, &owners[1]);
    assert_int_equal(s.known_count, 0);
}

static void a_registration_that_drains_gives_way_to_a_second_one(void **state)
{
    (void)state;
    struct scheduler s;
    init(&s, 10);
    register_worker(&s, &owners[0], "h", "gcc:14");
    register_worker(&s, &owners[1], "h", "gcc:15");
    say_hello(&s, &owners[0], "h", true);
    assert_non_null(scheduler_find_image(&s, "gcc:15", anything));
    scheduler_worker_gone(&s, &owners[0]);
    assert_non_null(scheduler_find_image(&s, "gcc:15", anything));
    scheduler_worker_gone(&s, &owners[1]);
}

/* Give a job to a slot again and again, and say whose jobs came in which order. */
static void assert_order(struct scheduler *scheduler, struct slot *slot, struct queue_entry *const *wanted,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_next(scheduler, slot, wanted[i]);
        scheduler_entry_remove(scheduler, wanted[i]);
        scheduler_slot_ready(scheduler, slot, "h", "");
    }
}

static void clients_take_turns(void **state)
{
    (void)state;
    struct scheduler s;
    struct slot slot;
    struct client_queue greedy = {0}, modest = {0}, late = {0};
    struct queue_entry g[4], m, l;
    init(&s, 100);
    register_worker(&s, &owners[0], "h", "gcc:14");
    for (int i = 0; i < 4; i++)
        submit_for(&s, &greedy, &g[i], "gcc:14");
    submit_for(&s, &modest, &m, "gcc:14");
    assert_int_equal(scheduler_jobs_ahead(&s, &greedy), 5);
    assert_int_equal(scheduler_jobs_ahead(&s, &late), 2);
    submit_for(&s, &late, &l, "gcc:14");
    struct queue_entry *const wanted[] = {&g[0], &m, &l, &g[1], &g[2], &g[3]};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(scheduler_jobs_before(&s, wanted[i]), i);
    add_slot(&s, &slot, "h", "");
    assert_order(&s, &slot, wanted, 6);
    scheduler_slot_remove(&s, &slot);
    scheduler_worker_gone(&s, &owners[0]);
}

static void a_warm_vm_lets_a_job_overtake_but_not_for_ever(void **state)
{
    (void)state;
    struct scheduler s;
    struct slot slot;
    struct client_queue client = {0};
    struct queue_entry cold, warm[12];
    struct pe_error err;
    init(&s, 100);
    struct pe_hello hello = {.host = "h", .slots = 1};
    hello.images = json_pack("[{s:s, s:s}, {s:s, s:s}]", "name", "a:1", "digest", DIGEST, "name", "b:1",
                             "digest", DIGEST);
    assert_int_equal(scheduler_worker_hello(&s, &owners[0], &hello, &err), 0);
    json_decref(hello.images);
    submit_for(&s, &client, &cold, "a:1");
    for (int i = 0; i < 12; i++)
        submit_for(&s, &client, &warm[i], "b:1");
    slot = (struct slot){0};
    scheduler_slot_add(&s, &slot);
    int before = 0;
    for (struct queue_entry *job = NULL; job != &cold; before += job != &cold) {
        scheduler_slot_ready(&s, &slot, "h", "b:1");
        job = scheduler_match(&s);
        assert_non_null(job);
        scheduler_entry_remove(&s, job);
    }
    assert_int_equal(before, 8);
    for (int i = 0; i < 12; i++)
        scheduler_entry_remove(&s, &warm[i]);
    scheduler_slot_remove(&s, &slot);
    scheduler_worker_gone(&s, &owners[0]);
}

static void a_worker_whose_vms_are_busy_comes_after_one_with_a_vm_free(void **state)
{
    (void)state;
    struct scheduler s;
    struct slot busy[2], free_slot;
    struct queue_entry first, second, third;
    init(&s, 10);
    register_worker(&s, &owners[0], "one", "gcc:14"); /* one VM, two slots: N + k */
    add_slot(&s, &busy[0], "one", "gcc:14");
    submit(&s, &first, "gcc:14", false);
    assert_next(&s, &busy[0], &first);
    add_slot(&s, &busy[1], "one", "gcc:14");
    register_worker(&s, &owners[1], "two", "gcc:14");
    add_slot(&s, &free_slot, "two", "");
    assert_int_equal(scheduler_capacity(&s), 2);
    submit(&s, &second, "gcc:14", false);
    assert_next(&s, &free_slot, &second); /* though the other is warm */
    submit(&s, &third, "gcc:14", false);
    assert_next(&s, &busy[1], &third); /* travels ahead of the VM */
    scheduler_slot_remove(&s, &busy[0]);
    scheduler_slot_remove(&s, &busy[1]);
    scheduler_slot_remove(&s, &free_slot);
    scheduler_worker_gone(&s, &owners[0]);
    scheduler_worker_gone(&s, &owners[1]);
}

static void a_worker_that_drains_gets_no_job(void **state)
{
    (void)state;
    struct scheduler s;
    struct slot slot;
    struct queue_entry job;
    struct pe_error err;
    init(&s, 10);
    struct pe_hello hello = {.host = "h", .slots = 1, .draining = true};
    hello.images = json_pack("[{s:s, s:s}]", "name", "gcc:14", "digest", DIGEST);
    assert_int_equal(scheduler_worker_hello(&s, &owners[0], &hello, &err), 0);
    json_decref(hello.images);
    add_slot(&s, &slot, "h", "gcc:14");
    submit(&s, &job, "gcc:14", false);
    assert_nothing(&s);
    register_worker(&s, &owners[0], "h", "gcc:14"); /* it thought better of it */
    assert_next(&s, &slot, &job);
    scheduler_entry_remove(&s, &job);
    scheduler_slot_remove(&s, &slot);
    scheduler_worker_gone(&s, &owners[0]);
}

static void the_queue_is_bounded_in_bytes_as_well(void **state)
{
    (void)state;
    struct scheduler s;
    struct pe_error err;
    struct queue_entry large = {.client = &nobody, .image = "gcc:14", .bytes = 900};
    struct queue_entry small = {.client = &nobody, .image = "gcc:14", .bytes = 101};
    init(&s, 10);
    assert_int_equal(scheduler_submit(&s, &large, false, &err), 0);
    assert_int_equal(scheduler_submit(&s, &small, false, &err), -1);
    assert_int_equal(err.kind, PE_ERR_BUSY);
    scheduler_entry_remove(&s, &large);
    assert_int_equal(s.queued_bytes, 0);
    assert_int_equal(scheduler_submit(&s, &small, false, &err), 0);
    scheduler_entry_remove(&s, &small);
}

static void a_job_goes_only_to_a_worker_whose_isolation_it_accepts(void **state)
{
    (void)state;
    struct scheduler s;
    struct pe_error err;
    struct slot weak, strong;
    struct queue_entry demanding = {
        .client = &nobody, .image = "gcc:14", .isolation = pe_isolation_set_of(PE_ISOLATION_HARDWARE)};
    struct queue_entry other;
    init(&s, 10);
    register_isolated(&s, &owners[0], "weak", "gcc:14", PE_ISOLATION_KERNEL);
    add_slot(&s, &weak, "weak", "gcc:14");
    assert_int_equal(scheduler_submit(&s, &demanding, false, &err), 0);
    submit(&s, &other, "gcc:14", false);
    assert_null(scheduler_find_image(&s, "gcc:14", demanding.isolation));
    assert_next(&s, &weak, &other); /* it does not wait behind the job that no worker can run */
    assert_nothing(&s);
    register_isolated(&s, &owners[1], "strong", "gcc:14", PE_ISOLATION_HARDWARE);
    assert_non_null(scheduler_find_image(&s, "gcc:14", demanding.isolation));
    add_slot(&s, &strong, "strong", "");
    assert_next(&s, &strong, &demanding);
    scheduler_entry_remove(&s, &demanding);
    scheduler_entry_remove(&s, &other);
    scheduler_slot_remove(&s, &weak);
    scheduler_slot_remove(&s, &strong);
    scheduler_worker_gone(&s, &owners[0]);
    scheduler_worker_gone(&s, &owners[1]);
}

static void a_job_accepts_every_isolation_that_it_lists(void **state)
{
    (void)state;
    struct scheduler s;
    struct pe_error err;
    struct slot slot;
    struct queue_entry job = {.client = &nobody, .image = "gcc:14"};
    assert_int_equal(pe_isolation_set_parse("hardware,kernel", &job.isolation, &err), 0);
    init(&s, 10);
    register_isolated(&s, &owners[0], "h", "gcc:14", PE_ISOLATION_KERNEL);
    add_slot(&s, &slot, "h", "");
    assert_int_equal(scheduler_submit(&s, &job, false, &err), 0);
    assert_next(&s, &slot, &job);
    scheduler_entry_remove(&s, &job);
    scheduler_slot_remove(&s, &slot);
    scheduler_worker_gone(&s, &owners[0]);
}

static void the_isolations_of_an_image_are_those_of_the_workers_that_have_it(void **state)
{
    (void)state;
    struct scheduler s;
    char text[PE_ISOLATION_TEXT_MAX];
    init(&s, 10);
    register_isolated(&s, &owners[0], "a", "gcc:14", PE_ISOLATION_EMULATION);
    register_isolated(&s, &owners[1], "b", "clang:19", PE_ISOLATION_HARDWARE);
    assert_string_equal(pe_isolation_set_print(scheduler_isolations(&s, "gcc:14"), ",", text), "emulation");
    assert_string_equal(pe_isolation_set_print(scheduler_isolations(&s, "clang:19"), ",", text), "hardware");
    assert_string_equal(pe_isolation_set_print(scheduler_isolations(&s, "none:1"), ",", text), "");
    scheduler_worker_gone(&s, &owners[0]);
    scheduler_worker_gone(&s, &owners[1]);
}

static void catalogs_that_need_too_much_memory_together_are_refused(void **state)
{
    (void)state;
    struct scheduler s;
    struct pe_error err;
    struct pe_hello hello = {.slots = 1, .host = "h1", .isolation = PE_ISOLATION_EMULATION};
    init(&s, 10);
    hello.images = json_pack("[{s:s, s:s, s:[s, s]}]", "name", "a:1", "digest", DIGEST, "env", "A=1", "B=2");
    assert_int_equal(scheduler_worker_hello(&s, &owners[0], &hello, &err), 0);
    const struct worker *first = scheduler_find_worker(&s, "h1");
    s.catalog_bytes_max = first->claim->catalog.bytes * 3 / 2;
    assert_int_equal(scheduler_worker_hello(&s, &owners[0], &hello, &err), 0); /* instead of the first one */
    strcpy(hello.host, "h2");
    assert_int_equal(scheduler_worker_hello(&s, &owners[1], &hello, &err), -1);
    assert_int_equal(err.kind, PE_ERR_BUSY);
    assert_null(scheduler_find_worker(&s, "h2"));
    scheduler_worker_gone(&s, &owners[0]);
    assert_int_equal(scheduler_worker_hello(&s, &owners[1], &hello, &err), 0);
    scheduler_worker_gone(&s, &owners[1]);
    json_decref(hello.images);
}

static void a_slot_that_another_balancer_has_gets_no_job_and_its_vm_counts_as_busy(void **state)
{
    (void)state;
    struct scheduler s;
    struct slot shared[2], other;
    struct queue_entry first, second;
    init(&s, 10);
    register_worker(&s, &owners[0], "one", "gcc:14"); /* with one VM */
    register_worker(&s, &owners[1], "two", "gcc:14");
    add_slot(&s, &other, "two", "");
    add_slot(&s, &shared[0], "one", "gcc:14");
    add_slot(&s, &shared[1], "one", "gcc:14");
    scheduler_slot_withdraw(&s, &shared[0]);
    submit(&s, &first, "gcc:14", false);
    assert_next(&s, &other, &first);
    submit(&s, &second, "gcc:14", false);
    assert_next(&s, &shared[1], &second);
    scheduler_slot_ready(&s, &shared[0], "one", "");
    submit(&s, &first, "gcc:14", false);
    assert_next(&s, &shared[0], &first);
    scheduler_slot_withdraw(&s, &shared[0]);
    for (int i = 0; i < 2; i++)
        scheduler_slot_remove(&s, &shared[i]);
    assert_int_equal(scheduler_find_worker(&s, "one")->elsewhere, 0);
    scheduler_slot_remove(&s, &other);
    scheduler_worker_gone(&s, &owners[0]);
    scheduler_worker_gone(&s, &owners[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_that_is_warm_for_the_image_comes_first),
        cmocka_unit_test(catalogs_that_need_too_much_memory_together_are_refused),
        cmocka_unit_test(a_job_waits_for_a_worker_that_has_its_image_and_blocks_no_other),
        cmocka_unit_test(a_job_that_lost_its_slot_goes_before_those_that_came_later),
        cmocka_unit_test(a_full_queue_says_so),
        cmocka_unit_test(slots_of_a_worker_that_is_gone_get_no_job),
        cmocka_unit_test(a_worker_that_was_lost_keeps_its_images_and_slots_for_a_while),
        cmocka_unit_test(a_worker_that_said_that_it_stops_is_not_expected_back),
        cmocka_unit_test(a_second_registration_with_a_name_counts_after_the_first_one),
        cmocka_unit_test(a_registration_that_drains_gives_way_to_a_second_one),
        cmocka_unit_test(clients_take_turns),
        cmocka_unit_test(a_warm_vm_lets_a_job_overtake_but_not_for_ever),
        cmocka_unit_test(a_worker_whose_vms_are_busy_comes_after_one_with_a_vm_free),
        cmocka_unit_test(a_slot_that_another_balancer_has_gets_no_job_and_its_vm_counts_as_busy),
        cmocka_unit_test(a_worker_that_drains_gets_no_job),
        cmocka_unit_test(a_job_goes_only_to_a_worker_whose_isolation_it_accepts),
        cmocka_unit_test(a_job_accepts_every_isolation_that_it_lists),
        cmocka_unit_test(the_isolations_of_an_image_are_those_of_the_workers_that_have_it),
        cmocka_unit_test(the_queue_is_bounded_in_bytes_as_well),
    };
    return cmocka_run_group_tests_name("scheduler", tests, NULL, NULL);
}
