/* Which job goes to which slot. */
#include "lb/scheduler.h"
#include "tests/unit/check.h"

#include <stdio.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const int owners[2]; /* addresses that stand for control connections */

static void say_hello(struct scheduler *scheduler, const void *owner, const char *host, const char *image)
{
    struct pe_error err;
    struct pe_hello hello = {.slots = 1};
    snprintf(hello.host, sizeof hello.host, "%s", host);
    hello.images = json_pack("[{s:s, s:s}]", "name", image, "digest", DIGEST);
    assert_int_equal(scheduler_host_hello(scheduler, owner, &hello, &err), 0);
    json_decref(hello.images);
}

static void add_slot(struct scheduler *scheduler, struct sched_slot *slot, const char *host, const char *warm)
{
    *slot = (struct sched_slot){0};
    scheduler_slot_add(scheduler, slot);
    scheduler_slot_ready(scheduler, slot, host, warm);
}

static void submit(struct scheduler *scheduler, struct sched_job *job, const char *image, bool front)
{
    struct pe_error err;
    *job = (struct sched_job){.image = image};
    assert_int_equal(scheduler_submit(scheduler, job, front, &err), 0);
}

static void assert_next(struct scheduler *scheduler, const struct sched_slot *slot,
                        const struct sched_job *job)
{
    struct sched_slot *got_slot = NULL;
    struct sched_job *got_job = NULL;
    assert_true(scheduler_match(scheduler, &got_slot, &got_job));
    assert_ptr_equal(got_slot, slot);
    assert_ptr_equal(got_job, job);
}

static void assert_nothing(struct scheduler *scheduler)
{
    struct sched_slot *slot = NULL;
    struct sched_job *job = NULL;
    assert_false(scheduler_match(scheduler, &slot, &job));
}

static void a_slot_that_is_warm_for_the_image_comes_first(void **state)
{
    (void)state;
    struct scheduler s;
    struct sched_slot cold, warm;
    struct sched_job job;
    scheduler_init(&s, 10);
    say_hello(&s, &owners[0], "h", "gcc:14");
    add_slot(&s, &cold, "h", "");
    add_slot(&s, &warm, "h", "gcc:14");
    submit(&s, &job, "gcc:14", false);
    assert_next(&s, &warm, &job);
    scheduler_job_remove(&s, &job);
    scheduler_slot_remove(&s, &cold);
    scheduler_slot_remove(&s, &warm);
    scheduler_host_gone(&s, &owners[0]);
}

static void a_job_waits_for_a_host_that_has_its_image_and_blocks_no_other(void **state)
{
    (void)state;
    struct scheduler s;
    struct sched_slot slot;
    struct sched_job first, second;
    scheduler_init(&s, 10);
    say_hello(&s, &owners[0], "h", "gcc:14");
    add_slot(&s, &slot, "h", "");
    submit(&s, &first, "clang:19", false);
    submit(&s, &second, "gcc:14", false);
    assert_int_equal(scheduler_chance(&s, "clang:19"), SCHED_IMAGE_UNKNOWN);
    assert_next(&s, &slot, &second);
    assert_nothing(&s);
    scheduler_job_remove(&s, &first);
    scheduler_job_remove(&s, &second);
    scheduler_slot_remove(&s, &slot);
    scheduler_host_gone(&s, &owners[0]);
    assert_int_equal(scheduler_chance(&s, "gcc:14"), SCHED_NO_HOST);
}

static void a_job_that_lost_its_slot_goes_before_those_that_came_later(void **state)
{
    (void)state;
    struct scheduler s;
    struct sched_slot slot;
    struct sched_job waiting, lost;
    scheduler_init(&s, 1);
    say_hello(&s, &owners[0], "h", "gcc:14");
    submit(&s, &waiting, "gcc:14", false);
    submit(&s, &lost, "gcc:14", true); /* finds room in a queue that is full */
    add_slot(&s, &slot, "h", "");
    assert_next(&s, &slot, &lost);
    scheduler_job_remove(&s, &lost);
    scheduler_job_remove(&s, &waiting);
    scheduler_slot_remove(&s, &slot);
    scheduler_host_gone(&s, &owners[0]);
}

static void a_full_queue_says_so(void **state)
{
    (void)state;
    struct scheduler s;
    struct pe_error err;
    struct sched_job first, second = {.image = "gcc:14"};
    scheduler_init(&s, 1);
    submit(&s, &first, "gcc:14", false);
    assert_int_equal(scheduler_submit(&s, &second, false, &err), -1);
    assert_int_equal(err.kind, PE_ERR_BUSY);
    scheduler_job_remove(&s, &first);
}

static void slots_of_a_host_that_is_gone_get_no_job(void **state)
{
    (void)state;
    struct scheduler s;
    struct sched_slot slot;
    struct sched_job job;
    scheduler_init(&s, 10);
    say_hello(&s, &owners[0], "h", "gcc:14");
    add_slot(&s, &slot, "h", "gcc:14");
    scheduler_host_gone(&s, &owners[0]);
    submit(&s, &job, "gcc:14", false);
    assert_nothing(&s);
    say_hello(&s, &owners[1], "h", "gcc:14");
    assert_next(&s, &slot, &job);
    scheduler_job_remove(&s, &job);
    scheduler_slot_remove(&s, &slot);
    scheduler_host_gone(&s, &owners[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_that_is_warm_for_the_image_comes_first),
        cmocka_unit_test(a_job_waits_for_a_host_that_has_its_image_and_blocks_no_other),
        cmocka_unit_test(a_job_that_lost_its_slot_goes_before_those_that_came_later),
        cmocka_unit_test(a_full_queue_says_so),
        cmocka_unit_test(slots_of_a_host_that_is_gone_get_no_job),
    };
    return cmocka_run_group_tests_name("scheduler", tests, NULL, NULL);
}
