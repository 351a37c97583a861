/* SPDX-License-Identifier: Apache-2.0 */
/* pe-shim takes an answer of pe-init only for that to its own request. */
#include "guest-init/shim_answer.h"

#include "tests/unit/check.h"

#include <sys/socket.h>
#include <unistd.h>

enum { SOON_MS = 50, LONG_MS = 60 * 1000 };

static int ends[2];

static int set_up(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int tear_down(void **state)
{
    (void)state;
    return close(ends[0]) < 0 || close(ends[1]) < 0 ? -1 : 0;
}

static void answer(uint64_t request, uint64_t failed, uint64_t user_us)
{
    const struct shim_answer sent = {.request = request, .failed = failed, .user_us = user_us};
    assert_int_equal(send(ends[1], &sent, sizeof sent, 0), sizeof sent);
}

static void a_late_answer_is_not_taken_for_that_to_the_next_request(void **state)
{
    struct shim_answer got;
    (void)state;
    assert_false(shim_answer_receive(ends[0], 1, SOON_MS, &got));
    answer(1, 0, 11);
    answer(2, 0, 22);
    assert_true(shim_answer_receive(ends[0], 2, LONG_MS, &got));
    assert_int_equal(got.user_us, 22);
    answer(2, 0, 22); /* twice */
    answer(3, 1, 0);
    assert_false(shim_answer_receive(ends[0], 3, LONG_MS, &got));
    answer(4, 0, 44);
    assert_true(shim_answer_receive(ends[0], 4, LONG_MS, &got));
    assert_int_equal(got.user_us, 44);
}

static void late_answers_alone_are_no_answer(void **state)
{
    struct shim_answer got;
    (void)state;
    for (uint64_t i = 1; i < 4; i++)
        answer(i, 0, i);
    assert_false(shim_answer_receive(ends[0], 4, SOON_MS, &got));
}

static void a_message_of_another_size_and_a_closed_channel_are_no_answer(void **state)
{
    struct shim_answer got;
    (void)state;
    assert_int_equal(send(ends[1], "", 1, 0), 1);
    assert_false(shim_answer_receive(ends[0], 1, LONG_MS, &got));
    assert_int_equal(shutdown(ends[1], SHUT_RDWR), 0);
    assert_false(shim_answer_receive(ends[0], 1, LONG_MS, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_late_answer_is_not_taken_for_that_to_the_next_request, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(late_answers_alone_are_no_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_of_another_size_and_a_closed_channel_are_no_answer, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
