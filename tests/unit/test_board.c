/* SPDX-License-Identifier: Apache-2.0 */
/* What processes of a worker tell about themselves, also if one of them lies. */
#include "base/cleanup.h"
#include "tests/unit/check.h"
#include "worker/board.h"

#include <string.h>

enum { SLOTS = 2, CHILDREN = 7, BALANCERS = 3 };

static struct board *make(void)
{
    struct pe_error err;
    struct board *board = board_make(SLOTS, CHILDREN, BALANCERS, &err);
    if (!board)
        fail_msg("%s", err.message);
    return board;
}

static struct board_view view_of(const struct board *board, size_t place)
{
    struct board_view view;
    board_read(board, place, &view);
    return view;
}

static void what_a_process_tells_is_read(void **state)
{
    (void)state;
    pe_autofree struct board *board = make();
    assert_int_equal(view_of(board, 0).state, BOARD_ENDED);
    assert_int_equal(view_of(board, 0).since, 0);
    board_set(board, 0, BOARD_RUNNING);
    board_say(board, 0, "the VM is lost");
    assert_int_equal(view_of(board, 0).state, BOARD_RUNNING);
    assert_true(view_of(board, 0).since > 0 && view_of(board, 0).said_at > 0);
    assert_string_equal(view_of(board, 0).said, "the VM is lost");
    assert_int_equal(view_of(board, 1).state, BOARD_ENDED);
}

static void a_reason_and_a_plan_end_with_their_state(void **state)
{
    (void)state;
    pe_autofree struct board *board = make();
    const size_t worker = board_place_of_worker(board);
    board_set(board, worker, BOARD_PAUSED);
    board_explain(board, worker, "it is day");
    board_set(board, worker, BOARD_PAUSED);
    assert_string_equal(view_of(board, worker).why, "it is day");
    board_plan(board, worker, 42);
    assert_int_equal(view_of(board, worker).next, 42);
    board_set(board, worker, BOARD_WORKING);
    assert_string_equal(view_of(board, worker).why, "");
    assert_int_equal(view_of(board, worker).next, 0);
}

static void a_text_of_a_liar_is_printable_and_has_a_bound(void **state)
{
    (void)state;
    pe_autofree struct board *board = make();
    char text[5 * BOARD_TEXT_SIZE];
    memset(text, '\x1b', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    board_say(board, 1, text);
    assert_int_equal(strlen(view_of(board, 1).said), BOARD_TEXT_SIZE - 1);
    assert_null(strchr(view_of(board, 1).said, '\x1b'));
    board_say(board, 1,
              "a\xff\x9b\n\x7f"
              "b");
    assert_string_equal(view_of(board, 1).said, "a????b");
    assert_string_equal(view_of(board, 2).said, "");
}

static void states_and_places_that_there_are_not_do_no_harm(void **state)
{
    (void)state;
    pe_autofree struct board *board = make();
    board_set(board, CHILDREN + 1, BOARD_READY);
    board_say(board, SIZE_MAX, "x");
    board_plan(board, SIZE_MAX, 1);
    assert_int_equal(view_of(board, CHILDREN + 1).state, BOARD_ENDED);
    assert_int_equal(board_connects(board, BALANCERS), 0);
    assert_string_equal(board_state_name(BOARD_STATES), "unknown");
    assert_string_equal(board_state_name(~0u), "unknown");
}

static void registrations_are_counted(void **state)
{
    (void)state;
    pe_autofree struct board *board = make();
    const size_t place = board_place_of_balancer(board, 2);
    assert_int_equal(place, CHILDREN - 1);
    board_set(board, place, BOARD_CONNECTED);
    board_set(board, place, BOARD_AWAY);
    board_set(board, place, BOARD_CONNECTED);
    assert_int_equal(board_connects(board, 2), 2);
    assert_int_equal(board_connects(board, 1), 0);
}

static void cpu_time_of_a_day_is_added(void **state)
{
    (void)state;
    pe_autofree struct board *board = make();
    assert_int_equal(board_cpu_today_us(board), 0);
    board_add_cpu(board, 1000);
    board_add_cpu(board, 500);
    assert_int_equal(board_cpu_today_us(board), 1500);
}

static void a_worker_without_a_board_works(void **state)
{
    (void)state;
    board_set(NULL, 0, BOARD_READY);
    board_say(NULL, 0, "x");
    board_explain(NULL, 0, "x");
    board_plan(NULL, 0, 1);
    board_add_cpu(NULL, 1);
    assert_int_equal(view_of(NULL, 0).state, BOARD_ENDED);
    assert_int_equal(board_connects(NULL, 0), 0);
    assert_int_equal(board_cpu_today_us(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_process_tells_is_read),
        cmocka_unit_test(a_reason_and_a_plan_end_with_their_state),
        cmocka_unit_test(a_text_of_a_liar_is_printable_and_has_a_bound),
        cmocka_unit_test(states_and_places_that_there_are_not_do_no_harm),
        cmocka_unit_test(registrations_are_counted),
        cmocka_unit_test(cpu_time_of_a_day_is_added),
        cmocka_unit_test(a_worker_without_a_board_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
