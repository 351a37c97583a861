/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of a VM of pe-vm, as they are kept in a file. tests/vm has the VMs. */
#include "tests/unit/check.h"
#include "tests/unit/starve_json.h"
#include "vm/config.h"

static const struct vmconfig config = {.engine = "qemu",
                                       .memory_mib = 256,
                                       .memory_max_mib = 512,
                                       .cpus = 1,
                                       .cpus_max = 2,
                                       .disks = {{.path = "/a.img"}, {.path = "/b.img", .readonly = true}},
                                       .disk_count = 2,
                                       .nets = {"one", "two"},
                                       .net_count = 2};

static void settings_come_back_as_they_were_written(void **state)
{
    (void)state;
    struct pe_error err;
    struct vmconfig read;
    json_t *json = vmconfig_to_json(&config);
    if (vmconfig_from_json(json, &read, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(read.disk_count, 2);
    assert_string_equal(read.disks[1].path, "/b.img");
    assert_true(read.disks[1].readonly);
    assert_int_equal(read.net_count, 2);
    assert_string_equal(read.nets[1], "two");
    json_decref(json);
}

static void settings_have_all_devices_or_are_not_written_without_memory(void **state)
{
    (void)state;
    json_t *whole = vmconfig_to_json(&config);
    assert_non_null(whole);
    for (size_t n = 0, failed = 1; failed; n++) {
        starve_json(n);
        json_t *json = vmconfig_to_json(&config);
        failed = feed_json();
        assert_true(json ? json_equal(json, whole) : (int)failed);
        json_decref(json);
    }
    json_decref(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_come_back_as_they_were_written),
        cmocka_unit_test(settings_have_all_devices_or_are_not_written_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
