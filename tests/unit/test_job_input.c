/* SPDX-License-Identifier: Apache-2.0 */
/* Typed input, windows and signals on their way to a slot that takes one message at a time. */
#include "lb/core/job.h"
#include "lb/core/job_input.h"
#include "tests/unit/check.h"

/* ---- a loop whose timers expire when a test says so ---- */

static struct loop_timer *started; /* the pause, if it is under way */
static unsigned starts;

static void start_timer(struct loop *loop, struct loop_timer *timer, unsigned ms)
{
    (void)loop;
    if (ms == 0)
        return; /* it would only look for something to send */
    assert_null(started);
    assert_int_equal(ms, JOB_INPUT_PACE_MS);
    started = timer;
    starts++;
}

static void stop_timer(struct loop *loop, struct loop_timer *timer)
{
    (void)loop;
    started = started == timer ? NULL : started;
}

static const struct loop_ops ops = {.start_timer = start_timer, .stop_timer = stop_timer};
static struct loop loop = {.ops = &ops};
static struct job_waiter waiter;
static struct job_input input;

static int begin(void **state)
{
    (void)state;
    started = NULL;
    starts = 0;
    job_input_begin(&input, &loop, &waiter);
    input.live.tty = true;
    return 0;
}

static int end(void **state)
{
    (void)state;
    job_input_free(&input);
    return 0;
}

static void end_pause(void)
{
    struct loop_timer *timer = started;
    assert_non_null(timer);
    started = NULL;
    timer->on_expire(timer);
}

/* The slot takes one message. Returns its kind, or -1 if there is none. */
static int take(void)
{
    struct pe_message message = {0};
    struct pe_cursor bytes;
    if (!job_input_next(&input, &message, &bytes))
        return -1;
    job_input_sent(&input, &message);
    return (int)message.kind;
}

static void resize(uint16_t rows)
{
    job_input_resize(&input, (struct pe_window){.rows = rows, .cols = 80});
}

/* ---- tests ---- */

static void a_window_and_signals_that_came_together_are_sent_without_a_pause_between_them(void **state)
{
    (void)state;
    resize(1);
    job_input_signal(&input, 2);
    job_input_signal(&input, 15);
    assert_int_equal(take(), PE_MESSAGE_RESIZE);
    assert_int_equal(take(), PE_MESSAGE_SIGNAL);
    assert_int_equal(take(), PE_MESSAGE_SIGNAL);
    assert_int_equal(take(), -1);
}

static void a_window_does_not_come_again_before_a_pause_while_a_signal_has_no_room(void **state)
{
    (void)state;
    resize(1);
    job_input_signal(&input, 28);
    assert_int_equal(take(), PE_MESSAGE_RESIZE);
    resize(2); /* the slot had room for one message */
    assert_int_equal(take(), PE_MESSAGE_SIGNAL);
    assert_int_equal(take(), -1);
    end_pause();
    assert_int_equal(take(), PE_MESSAGE_RESIZE);
    assert_int_equal(input.is_resized, false);
}

static void the_pause_lasts_from_the_last_message_that_was_sent(void **state)
{
    (void)state;
    resize(1);
    job_input_signal(&input, 2);
    assert_int_equal(take(), PE_MESSAGE_RESIZE);
    job_input_signal(&input, 2);
    assert_int_equal(take(), PE_MESSAGE_SIGNAL);
    assert_int_equal(starts, 2);
    job_input_signal(&input, 2);
    assert_int_equal(take(), -1);
    end_pause();
    assert_int_equal(take(), PE_MESSAGE_SIGNAL);
}

static void bytes_do_not_wait_for_a_pause(void **state)
{
    struct pe_error err;
    (void)state;
    resize(1);
    assert_int_equal(take(), PE_MESSAGE_RESIZE);
    assert_int_equal(job_input_type(&input, "a", 1, &err), 0);
    assert_int_equal(take(), PE_MESSAGE_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_window_and_signals_that_came_together_are_sent_without_a_pause_between_them, begin, end),
        cmocka_unit_test_setup_teardown(
            a_window_does_not_come_again_before_a_pause_while_a_signal_has_no_room, begin, end),
        cmocka_unit_test_setup_teardown(the_pause_lasts_from_the_last_message_that_was_sent, begin, end),
        cmocka_unit_test_setup_teardown(bytes_do_not_wait_for_a_pause, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
