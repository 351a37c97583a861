/* SPDX-License-Identifier: Apache-2.0 */
/* What the doctor says about a host, of which a folder has the files in /sys and /proc. */
#include "doctor/side_channels.h"
#include "tests/unit/fake_host.h"

#include <string.h>

static void is_bad(int (*check)(const char *top, struct pe_error *err), const char *words)
{
    struct pe_error err = {.kind = PE_ERR_INTERNAL};
    assert_int_equal(check(top, &err), -1);
    assert_int_equal(err.kind, PE_ERR_INVALID);
    if (!strstr(err.message, words))
        fail_msg("%s", err.message);
}

#define is_good(check)                               \
    do {                                             \
        struct pe_error why = {.message = ""};       \
        if (check(top, &why) < 0)                    \
            fail_msg("%s: %s", #check, why.message); \
    } while (0)

static void what_a_host_does_not_have_is_right(void **state)
{
    (void)state;
    is_good(side_channel_smt);
    is_good(side_channel_swap);
    is_good(side_channel_processor);
}

static void threads_of_a_core_are_reported(void **state)
{
    (void)state;
    put("/sys/devices/system/cpu/smt/active", "1\n");
    is_bad(side_channel_smt, "nosmt");
    put("/sys/devices/system/cpu/smt/active", "0\n");
    is_good(side_channel_smt);
}

static void a_swap_device_is_named_but_compressed_memory_is_none(void **state)
{
    (void)state;
    put("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
    is_good(side_channel_swap);
    put("/proc/swaps", "Filename Type\n/dev/zram0   partition 1 0 100\n");
    is_good(side_channel_swap);
    put("/proc/swaps", "Filename Type\n/dev/zram0 partition 1 0 100\n/dev/sda2  partition 1 0 -2\n");
    is_bad(side_channel_swap, "/dev/sda2 and stay");
}

static void flaws_that_are_not_mitigated_are_named(void **state)
{
    (void)state;
#define FLAW "/sys/devices/system/cpu/vulnerabilities/"
    put(FLAW "meltdown", "Not affected\n");
    put(FLAW "mds", "Mitigation: Clear CPU buffers; SMT vulnerable\n");
    is_good(side_channel_processor);
    put(FLAW "itlb_multihit", "KVM: Vulnerable\n");
    is_bad(side_channel_processor, "(itlb_multihit, see");
    put(FLAW "spectre_v2", "Mitigation: Enhanced IBRS; BHI: Vulnerable\n");
    is_bad(side_channel_processor, ", ");
    is_bad(side_channel_processor, "spectre_v2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_host_does_not_have_is_right, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_of_a_core_are_reported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_swap_device_is_named_but_compressed_memory_is_none, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(flaws_that_are_not_mitigated_are_named, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
