/* SPDX-License-Identifier: Apache-2.0 */
/* When a worker tries a balancer again. */
#include "tests/unit/check.h"
#include "worker/retry.h"

#include <string.h>

static void a_balancer_that_is_away_is_tried_every_second(void **state)
{
    (void)state;
    struct retry retry = {.refusals = 0};
    for (int i = 0; i < 100; i++) {
        unsigned ms = retry_after_ms(&retry, RETRY_LOST);
        assert_in_range(ms, 500, 1000);
    }
}

static void one_that_refuses_is_tried_less_and_less_often_up_to_five_minutes(void **state)
{
    (void)state;
    struct retry retry = {.refusals = 0};
    unsigned bound = 1000;
    for (int i = 0; i < 100; i++) {
        unsigned ms = retry_after_ms(&retry, RETRY_REFUSED);
        assert_in_range(ms, bound / 2, bound);
        bound = bound * 2 < RETRY_MS_MAX ? bound * 2 : RETRY_MS_MAX;
    }
    assert_int_equal(bound, RETRY_MS_MAX);
}

static void workers_do_not_come_at_the_same_time(void **state)
{
    (void)state;
    bool differ = false;
    struct retry one = {.refusals = 20}, other = {.refusals = 20};
    for (int i = 0; i < 20; i++)
        differ |= retry_after_ms(&one, RETRY_REFUSED) != retry_after_ms(&other, RETRY_REFUSED);
    assert_true(differ);
}

static void only_a_connection_that_lasts_ends_the_row_of_refusals(void **state)
{
    (void)state;
    struct retry retry = {.refusals = 10};
    retry_lasted(&retry, 100000); /* it was closed after the hello */
    assert_true(retry_after_ms(&retry, RETRY_REFUSED) >= RETRY_MS_MAX / 2);
    retry_lasted(&retry, 3600000000ull);
    assert_true(retry_after_ms(&retry, RETRY_REFUSED) <= 1000);
}

static void a_message_is_logged_once_until_another_one_or_a_connection_comes(void **state)
{
    (void)state;
    struct retry retry = {.refusals = 0};
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_true(retry_says(&retry, "refused"));
    assert_false(retry_says(&retry, "refused"));
    assert_true(retry_says(&retry, text));
    assert_false(retry_says(&retry, text));
    assert_true(retry_says(&retry, "refused"));
    retry_lasted(&retry, 3600000000ull);
    assert_true(retry_says(&retry, "refused"));
}

static void messages_that_differ_in_numbers_only_are_the_same(void **state)
{
    (void)state;
    struct retry retry = {.refusals = 0};
    assert_true(retry_says(&retry, "Failed to connect to 10.0.0.1 port 80 after 0 ms: refused"));
    assert_false(retry_says(&retry, "Failed to connect to 10.0.0.1 port 80 after 131 ms: refused"));
    assert_true(retry_says(&retry, "Failed to connect to 10.0.0.1 port 80 after 131 ms: unreachable"));
    assert_true(retry_says(&retry, "Failed to connect"));
    assert_true(retry_says(&retry, ""));
}

static void a_token_that_is_refused_is_no_lost_connection(void **state)
{
    (void)state;
    const struct pe_error refused = {.kind = PE_ERR_INVALID}, lost = {.kind = PE_ERR_LOST};
    assert_int_equal(retry_cause_of(&refused), RETRY_REFUSED);
    assert_int_equal(retry_cause_of(&lost), RETRY_LOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_balancer_that_is_away_is_tried_every_second),
        cmocka_unit_test(one_that_refuses_is_tried_less_and_less_often_up_to_five_minutes),
        cmocka_unit_test(workers_do_not_come_at_the_same_time),
        cmocka_unit_test(only_a_connection_that_lasts_ends_the_row_of_refusals),
        cmocka_unit_test(a_message_is_logged_once_until_another_one_or_a_connection_comes),
        cmocka_unit_test(messages_that_differ_in_numbers_only_are_the_same),
        cmocka_unit_test(a_token_that_is_refused_is_no_lost_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
