/* SPDX-License-Identifier: Apache-2.0 */
/* The CPUs and the memory that an owner gives to the worker. */
#include "proto/limits.h"
#include "tests/unit/check.h"
#include "worker/job/machine.h"
#include "worker/owner_limits.h"

/* A stand-in for the one in worker/job/machine.c. */
uint32_t machine_memory_mib(uint32_t job_mib)
{
    return job_mib + 192;
}

enum { VM = 1024 + 192 + 64 + 76, WORKER = 128 }; /* MiB */

static cpu_set_t cpus(unsigned bits)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < 32; i++)
        if (bits >> i & 1)
            CPU_SET(i, &set);
    return set;
}

static void assert_chosen(const char *text, unsigned allowed_bits, unsigned bits)
{
    const cpu_set_t allowed = cpus(allowed_bits), wanted = cpus(bits);
    cpu_set_t chosen;
    struct pe_error err;
    if (owner_cores_parse(text, &allowed, &chosen, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    assert_true(CPU_EQUAL(&chosen, &wanted));
}

static void a_number_means_the_last_cpus_that_may_be_used(void **state)
{
    (void)state;
    assert_chosen("1", 0xff, 0x80);
    assert_chosen("4", 0xff, 0xf0);
    assert_chosen("2", 0x0f, 0x0c);
    assert_chosen("3", 0x15, 0x15);
}

static void a_list_names_cpus(void **state)
{
    (void)state;
    assert_chosen("4-7", 0xff, 0xf0);
    assert_chosen("0,2-3", 0xff, 0x0d);
    assert_chosen("2,", 0xff, 0x04);
    assert_chosen("2-2", 0xff, 0x04);
}

static void cpus_that_do_not_exist_or_may_not_be_used_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "0",
                                        "9",
                                        "x",
                                        "4x",
                                        "-",
                                        "1-",
                                        "-1",
                                        "3-2",
                                        "7-8",
                                        "1,,2",
                                        "1;2",
                                        ",1",
                                        "99999",
                                        "1-2-3",
                                        " 1",
                                        "+1",
                                        "1024,",
                                        "18446744073709551617"};
    const cpu_set_t allowed = cpus(0xff);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cpu_set_t chosen;
        struct pe_error err = {.kind = PE_ERR_INTERNAL};
        if (owner_cores_parse(wrong[i], &allowed, &chosen, &err) == 0)
            fail_msg("'%s' was accepted", wrong[i]);
        assert_int_equal(err.kind, PE_ERR_INVALID);
    }
}

static struct worker_config worker(uint32_t slots, uint32_t ahead, bool snapshots)
{
    return (struct worker_config){.slots = slots,
                                  .ahead = ahead,
                                  .memory_mib = 1024,
                                  .engine = {.snapshots = snapshots},
                                  .templates = {.mib = 4096}};
}

static void a_worker_that_fits_stays_as_it_is(void **state)
{
    (void)state;
    struct pe_error err;
    struct worker_config config = worker(4, 1, false);
    assert_int_equal(owner_memory_apply(&config, WORKER + 5 * VM, &err), 0);
    assert_int_equal(config.slots, 4);
    assert_int_equal(config.ahead, 1);
    assert_int_equal(config.templates.mib, 4096);
}

static void first_the_jobs_that_wait_are_lowered_then_the_slots(void **state)
{
    (void)state;
    struct pe_error err;
    struct worker_config config = worker(4, 2, false);
    assert_int_equal(owner_memory_apply(&config, WORKER + 5 * VM, &err), 0);
    assert_int_equal(config.slots, 4);
    assert_int_equal(config.ahead, 1);
    assert_int_equal(owner_memory_apply(&config, WORKER + 3 * VM - 1, &err), 0);
    assert_int_equal(config.slots, 2);
    assert_int_equal(config.ahead, 0);
}

static void templates_get_at_most_a_quarter(void **state)
{
    (void)state;
    struct pe_error err;
    struct worker_config config = worker(4, 0, true);
    assert_int_equal(owner_memory_apply(&config, 4 * VM, &err), 0);
    assert_int_equal(config.templates.mib, VM);
    assert_int_equal(config.slots, 2); /* the worker itself needs a part of the third */
}

static void a_memory_without_room_for_one_vm_is_refused(void **state)
{
    (void)state;
    struct pe_error err;
    struct worker_config config = worker(4, 0, false);
    assert_int_equal(owner_memory_apply(&config, WORKER + VM - 1, &err), -1);
    assert_error(err, PE_ERR_INVALID, "is not enough for a VM of 1356 MiB");
    assert_int_equal(owner_memory_apply(&config, 0, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_means_the_last_cpus_that_may_be_used),
        cmocka_unit_test(a_list_names_cpus),
        cmocka_unit_test(cpus_that_do_not_exist_or_may_not_be_used_are_refused),
        cmocka_unit_test(a_worker_that_fits_stays_as_it_is),
        cmocka_unit_test(first_the_jobs_that_wait_are_lowered_then_the_slots),
        cmocka_unit_test(templates_get_at_most_a_quarter),
        cmocka_unit_test(a_memory_without_room_for_one_vm_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
