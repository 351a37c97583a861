/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines, with a loop whose timer the tests let expire. */
#include "lb/core/deadlines.h"
#include "tests/unit/check.h"

static struct loop_timer *pending;

static void start_timer(struct loop *loop, struct loop_timer *timer, unsigned delay_ms)
{
    (void)loop;
    (void)delay_ms;
    assert_null(pending);
    pending = timer;
}

static void stop_timer(struct loop *loop, struct loop_timer *timer)
{
    (void)loop;
    if (pending == timer)
        pending = NULL;
}

static const struct loop_ops loop_ops = {.start_timer = start_timer, .stop_timer = stop_timer};

static void expire(void)
{
    struct loop_timer *timer = pending;
    pending = NULL;
    timer->on_expire(timer);
}

enum { COUNT = 4 };

static struct test_deadline {
    struct deadline deadline;
    int passed;
    int forgets; /* which one it forgets besides itself; -1: none */
} tests_deadlines[COUNT];

static void on_passed(struct deadline *deadline)
{
    struct test_deadline *self = pe_list_entry(deadline, struct test_deadline, deadline);
    self->passed++;
    deadline_forget(deadline);
    if (self->forgets >= 0)
        deadline_forget(&tests_deadlines[self->forgets].deadline);
}

static void watch_all(struct deadlines *deadlines, const int forgets[COUNT])
{
    for (int i = 0; i < COUNT; i++) {
        tests_deadlines[i] =
            (struct test_deadline){.deadline = {.on_passed = on_passed, .at_us = 1}, .forgets = forgets[i]};
        deadline_watch(deadlines, &tests_deadlines[i].deadline);
    }
}

static void a_deadline_may_forget_any_other_when_it_has_passed(void **state)
{
    (void)state;
    struct loop loop = {.ops = &loop_ops};
    struct deadlines deadlines;
    for (int first = 0; first < COUNT; first++)
        for (int other = 0; other < COUNT; other++) {
            int forgets[COUNT] = {-1, -1, -1, -1}, passed = 0;
            forgets[first] = other;
            deadlines_init(&deadlines, &loop);
            watch_all(&deadlines, forgets);
            expire();
            for (int i = 0; i < COUNT; i++) {
                assert_int_equal(tests_deadlines[i].passed, i == other && first < other ? 0 : 1);
                passed += tests_deadlines[i].passed;
            }
            assert_int_equal(passed, first < other ? COUNT - 1 : COUNT);
            assert_null(pending); /* nothing is watched */
        }
}

static void a_deadline_that_has_not_passed_stays(void **state)
{
    (void)state;
    struct loop loop = {.ops = &loop_ops};
    struct deadlines deadlines;
    deadlines_init(&deadlines, &loop);
    watch_all(&deadlines, (const int[]){-1, -1, -1, -1});
    tests_deadlines[1].deadline.at_us = UINT64_MAX;
    expire();
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(tests_deadlines[i].passed, i != 1);
    tests_deadlines[1].deadline.at_us = 1;
    expire();
    assert_int_equal(tests_deadlines[1].passed, 1);
    assert_null(pending);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_may_forget_any_other_when_it_has_passed),
        cmocka_unit_test(a_deadline_that_has_not_passed_stays),
    };
    return cmocka_run_group_tests_name("deadlines", tests, NULL, NULL);
}
