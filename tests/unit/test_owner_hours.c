/* SPDX-License-Identifier: Apache-2.0 */
/* The hours at which a worker may run jobs. */
#include "tests/unit/check.h"
#include "worker/owner_hours.h"

enum { SUN, MON, TUE, WED, THU, FRI, SAT };

static struct owner_hours parse(const char *text)
{
    struct owner_hours hours = {.count = 0};
    struct pe_error err;
    if (owner_hours_add(&hours, text, &err) < 0)
        fail_msg("%s", err.message);
    return hours;
}

static bool allows(const struct owner_hours *hours, int day, int hour, int minute)
{
    const struct tm local = {.tm_wday = day, .tm_hour = hour, .tm_min = minute};
    return owner_hours_allow(hours, &local);
}

static void without_hours_the_worker_always_runs(void **state)
{
    (void)state;
    const struct owner_hours hours = {.count = 0};
    assert_true(allows(&hours, WED, 12, 0));
}

static void a_period_holds_its_beginning_and_not_its_end(void **state)
{
    (void)state;
    const struct owner_hours hours = parse("09:30-17:00");
    assert_false(allows(&hours, MON, 9, 29));
    assert_true(allows(&hours, MON, 9, 30));
    assert_true(allows(&hours, SUN, 16, 59));
    assert_false(allows(&hours, MON, 17, 0));
}

static void a_period_goes_over_midnight(void **state)
{
    (void)state;
    const struct owner_hours hours = parse("20:00-08:00");
    assert_true(allows(&hours, MON, 23, 59));
    assert_true(allows(&hours, TUE, 0, 0));
    assert_true(allows(&hours, TUE, 7, 59));
    assert_false(allows(&hours, TUE, 8, 0));
    assert_false(allows(&hours, TUE, 19, 59));
}

static void the_day_is_that_on_which_a_period_begins(void **state)
{
    (void)state;
    const struct owner_hours hours = parse("mon-fri/20:00-08:00");
    assert_false(allows(&hours, MON, 7, 0));
    assert_true(allows(&hours, MON, 20, 0));
    assert_true(allows(&hours, SAT, 7, 59));
    assert_false(allows(&hours, SAT, 20, 0));
    assert_false(allows(&hours, SUN, 7, 0));
}

static void days_can_be_listed_and_go_over_the_end_of_a_week(void **state)
{
    (void)state;
    const struct owner_hours listed = parse("wed,sat,sun/00:00-24:00"), over = parse("sat-mon/00:00-24:00");
    for (int day = SUN; day <= SAT; day++) {
        assert_int_equal(allows(&listed, day, 23, 59), day == WED || day == SAT || day == SUN);
        assert_int_equal(allows(&over, day, 12, 0), day == SAT || day == SUN || day == MON);
    }
}

static void of_several_periods_one_is_enough(void **state)
{
    (void)state;
    struct owner_hours hours = parse("mon-fri/20:00-08:00");
    struct pe_error err;
    assert_int_equal(owner_hours_add(&hours, "sat,sun/00:00-24:00", &err), 0);
    assert_true(allows(&hours, SAT, 12, 0));
    assert_true(allows(&hours, MON, 21, 0));
    assert_false(allows(&hours, MON, 12, 0));
}

static void what_is_no_period_is_refused_with_examples(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "20:00",
                                        "20-08",
                                        "20:00-25:00",
                                        "24:00-08:00",
                                        "20:60-08:00",
                                        "20:00-08:00x",
                                        "08:00-08:00",
                                        "2000-0800",
                                        "moo/20:00-08:00",
                                        "mon-/20:00-08:00",
                                        "/20:00-08:00",
                                        "mon,/20:00-08:00",
                                        "mon 20:00-08:00",
                                        "20:00-08:00/mon",
                                        "-1:00-08:00"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct owner_hours hours = {.count = 0};
        struct pe_error err = {.kind = PE_ERR_INTERNAL};
        assert_int_equal(owner_hours_add(&hours, wrong[i], &err), -1);
        assert_int_equal(err.kind, PE_ERR_INVALID);
        assert_non_null(strstr(err.message, "mon-fri/20:00-08:00"));
        assert_int_equal(hours.count, 0);
    }
}

static void there_is_a_bound_on_periods(void **state)
{
    (void)state;
    struct owner_hours hours = {.count = 0};
    struct pe_error err;
    for (int i = 0; i < OWNER_PERIODS_MAX; i++)
        assert_int_equal(owner_hours_add(&hours, "20:00-08:00", &err), 0);
    assert_int_equal(owner_hours_add(&hours, "20:00-08:00", &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_hours_the_worker_always_runs),
        cmocka_unit_test(a_period_holds_its_beginning_and_not_its_end),
        cmocka_unit_test(a_period_goes_over_midnight),
        cmocka_unit_test(the_day_is_that_on_which_a_period_begins),
        cmocka_unit_test(days_can_be_listed_and_go_over_the_end_of_a_week),
        cmocka_unit_test(of_several_periods_one_is_enough),
        cmocka_unit_test(what_is_no_period_is_refused_with_examples),
        cmocka_unit_test(there_is_a_bound_on_periods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
