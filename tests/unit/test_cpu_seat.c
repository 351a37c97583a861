/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of worker/host/cpu_seat.c: slots are spread over the CPUs. */
#include "worker/host/cpu_seat.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/pe-cpu-seat-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static unsigned allowed_cpus(void)
{
    cpu_set_t allowed;
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    return (unsigned)CPU_COUNT(&allowed);
}

static int take(uint32_t *cpu)
{
    struct pe_error err = {0};
    int fd = cpu_seat_take(path, 0, cpu, &err);
    if (fd < 0)
        fail_msg("%s", err.message);
    return fd;
}

static void test_every_cpu_is_taken_once_before_one_is_taken_again(void **state)
{
    (void)state;
    const unsigned cpus = allowed_cpus();
    unsigned taken[CPU_SETSIZE] = {0};
    int seats[2 * CPU_SETSIZE];
    for (unsigned i = 0; i < 2 * cpus; i++) {
        uint32_t cpu = 0;
        seats[i] = take(&cpu);
        taken[cpu]++;
        assert_true(taken[cpu] <= i / cpus + 1);
    }
    for (unsigned i = 0; i < 2 * cpus; i++)
        close(seats[i]);
}

static void test_a_seat_is_free_again_when_its_owner_has_ended(void **state)
{
    (void)state;
    uint32_t first = 0, again = 0;
    int seat = take(&first);
    close(seat);
    seat = take(&again);
    assert_int_equal(first, again);
    close(seat);
}

static void test_without_the_file_the_slots_are_spread_by_their_numbers(void **state)
{
    (void)state;
    struct pe_error err = {0};
    uint32_t first = 0, second = 0;
    assert_int_equal(cpu_seat_take("/nowhere/cpus", 0, &first, &err), -1);
    assert_int_equal(err.kind, PE_ERR_INTERNAL);
    assert_int_equal(cpu_seat_take("/nowhere/cpus", 1, &second, &err), -1);
    assert_int_equal(first != second, allowed_cpus() > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cpu_is_taken_once_before_one_is_taken_again),
        cmocka_unit_test(test_a_seat_is_free_again_when_its_owner_has_ended),
        cmocka_unit_test(test_without_the_file_the_slots_are_spread_by_their_numbers),
    };
    return cmocka_run_group_tests_name("cpu_seat", tests, make_file, remove_file);
}
