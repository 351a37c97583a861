/* SPDX-License-Identifier: Apache-2.0 */
/* When waiters are told of what their job prints, and of the bytes of its result. */
#include "tests/unit/fake_core.h"

/* Let a job run on the first slot. Its waiters watch it. */
static void begin_watched(struct core *core, struct fake_waiter *waiters, int count)
{
    register_worker(core, 0);
    add_ready_slot(core, &core->slots[0], 0);
    assert_int_equal(begin(core, &waiters[0], true), 0);
    waiters[0].waiter.watches = true;
    for (int i = 1; i < count; i++) {
        init_waiter(&waiters[i]);
        waiters[i].waiter.watches = true;
        join(job_find(&core->jobs, &key, anything), &waiters[i]);
    }
    expire(&core->loop, 0);
}

/* A worker may cut what it sends into pieces of one byte. */
static void waiters_are_told_once_of_all_pieces_that_arrive_together(void **state)
{
    enum { PIECES = 1000, WAITERS = 3 };
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter waiters[WAITERS];
    struct pe_error err;
    begin_watched(core, waiters, WAITERS);
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(job_on_output(slot->job, LIVE_STDOUT, "x", 1, &err), 0);
    assert_int_equal(expire(&core->loop, 0), 1);
    send_result_of(slot->job, 2 * PIECES);
    for (int turn = 1; turn <= 2; turn++) {
        for (int i = 0; i < PIECES; i++)
            assert_int_equal(job_on_bytes(slot->job, "x", 1, &err), 0);
        assert_int_equal(expire(&core->loop, 0), 1);
        for (int i = 0; i < WAITERS; i++) {
            assert_int_equal(waiters[i].outputs, 1);
            assert_int_equal(waiters[i].results, 1);
            assert_int_equal(waiters[i].progresses, turn);
        }
    }
    for (int i = 0; i < WAITERS; i++)
        job_leave(&waiters[i].waiter);
}

static void waiters_are_told_of_output_before_what_comes_after_it(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter waiters[2];
    struct pe_error err;
    begin_watched(core, waiters, 2);
    assert_int_equal(job_on_output(slot->job, LIVE_STDOUT, "x", 1, &err), 0);
    waiters[0].leaves = &waiters[0];
    finish(core, slot);
    assert_int_equal(waiters[0].outputs, 1);
    assert_int_equal(waiters[1].outputs, 1);
    assert_int_equal(waiters[1].results, 1);
    assert_null(waiters[1].waiter.job);
    expire(&core->loop, 0); /* the job is freed: nobody is told of it */
}

/* One message of a worker may have a piece of each stream. */
static void too_much_output_is_found_though_what_came_before_it_ends_the_job(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter waiter;
    struct pe_error err;
    begin_watched(core, &waiter, 1);
    waiter.leaves = &waiter;
    assert_int_equal(job_on_output(slot->job, LIVE_STDOUT, "x", 1, &err), 0);
    assert_int_equal(slot->canceled, 0);
    assert_int_equal(job_on_output(slot->job, LIVE_STDERR, "x", SIZE_MAX, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, "more output than its limit allows");
    lose(core, slot);
    assert_int_equal(waiter.outputs, 1);
    assert_null(waiter.waiter.job);
}

static void a_lost_job_has_no_news_left(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter waiter;
    struct pe_error err;
    begin_watched(core, &waiter, 1);
    send_result(slot->job);
    assert_int_equal(job_on_bytes(slot->job, "o", 1, &err), 0);
    lose(core, slot);
    assert_int_equal(waiter.progresses, 1);
    assert_int_equal(waiter.losses, 1);
    expire(&core->loop, 0); /* the result is not there any more */
    assert_int_equal(waiter.progresses, 1);
    job_leave(&waiter.waiter);
}

#define WITH_CORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CORE(waiters_are_told_once_of_all_pieces_that_arrive_together),
        WITH_CORE(waiters_are_told_of_output_before_what_comes_after_it),
        WITH_CORE(too_much_output_is_found_though_what_came_before_it_ends_the_job),
        WITH_CORE(a_lost_job_has_no_news_left),
    };
    return cmocka_run_group_tests_name("job_news", tests, NULL, NULL);
}
