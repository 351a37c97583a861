/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the kinds of isolation, and what a set of them accepts. */
#include "proto/isolation.h"
#include "tests/unit/check.h"

static void every_kind_is_found_by_its_name(void **state)
{
    (void)state;
    for (int i = PE_ISOLATION_HARDWARE; i < PE_ISOLATIONS; i++) {
        enum pe_isolation found = PE_ISOLATION_UNKNOWN;
        struct pe_error err;
        assert_int_equal(pe_isolation_parse(pe_isolation_name((enum pe_isolation)i), &found, &err), 0);
        assert_int_equal(found, i);
    }
}

static void refused(const char *names, const char *text_part)
{
    struct pe_isolation_set set;
    struct pe_error err;
    assert_int_equal(pe_isolation_set_parse(names, &set, &err), -1);
    assert_error(err, PE_ERR_INVALID, text_part);
}

static void other_names_empty_lists_and_names_given_twice_are_refused(void **state)
{
    (void)state;
    refused("", "'hardware', 'kernel' or 'emulation', not ''");
    refused("Hardware", "not 'Hardware'");
    refused("hard", "not 'hard'");
    refused("unknown", "not 'unknown'");
    refused("kernel,", "not ''");
    refused("kernel, hardware", "not ' hardware'");
    refused("kernel,hardware,kernel", "'kernel' is named twice");
}

static void a_set_is_printed_with_the_strongest_kind_first(void **state)
{
    struct pe_isolation_set set;
    struct pe_error err;
    char text[PE_ISOLATION_TEXT_MAX];
    (void)state;
    assert_int_equal(pe_isolation_set_parse("emulation,hardware", &set, &err), 0);
    assert_string_equal(pe_isolation_set_print(set, ", ", text), "hardware, emulation");
    assert_int_equal(pe_isolation_set_add(&set, "kernel", &err), 0);
    assert_string_equal(pe_isolation_set_print(set, " or ", text), "hardware or kernel or emulation");
    set = (struct pe_isolation_set){0};
    assert_string_equal(pe_isolation_set_print(set, ",", text), "");
}

static void a_demand_accepts_what_it_names_and_no_demand_accepts_everything(void **state)
{
    const struct pe_isolation_set nothing = {0};
    struct pe_isolation_set set;
    struct pe_error err;
    (void)state;
    for (int i = PE_ISOLATION_UNKNOWN; i < PE_ISOLATIONS; i++) {
        assert_true(pe_isolation_accepted(nothing, (enum pe_isolation)i));
        assert_false(pe_isolation_set_has(nothing, (enum pe_isolation)i));
    }
    assert_int_equal(pe_isolation_set_parse("hardware,kernel", &set, &err), 0);
    assert_true(pe_isolation_accepted(set, PE_ISOLATION_HARDWARE));
    assert_true(pe_isolation_accepted(set, PE_ISOLATION_KERNEL));
    assert_false(pe_isolation_accepted(set, PE_ISOLATION_EMULATION));
    assert_false(pe_isolation_accepted(set, PE_ISOLATION_UNKNOWN));
}

static void a_demand_of_a_trusted_host_is_one_beside_that_of_an_isolation(void **state)
{
    (void)state;
    struct pe_isolation_set demand = pe_isolation_set_of(PE_ISOLATION_KERNEL);
    assert_true(pe_demand_accepts(demand, PE_ISOLATION_KERNEL, false));
    demand.trusted_host = true;
    assert_false(pe_demand_accepts(demand, PE_ISOLATION_KERNEL, false));
    assert_true(pe_demand_accepts(demand, PE_ISOLATION_KERNEL, true));
    assert_false(pe_demand_accepts(demand, PE_ISOLATION_HARDWARE, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_demand_of_a_trusted_host_is_one_beside_that_of_an_isolation),
        cmocka_unit_test(every_kind_is_found_by_its_name),
        cmocka_unit_test(other_names_empty_lists_and_names_given_twice_are_refused),
        cmocka_unit_test(a_set_is_printed_with_the_strongest_kind_first),
        cmocka_unit_test(a_demand_accepts_what_it_names_and_no_demand_accepts_everything),
    };
    return cmocka_run_group_tests_name("isolation", tests, NULL, NULL);
}
