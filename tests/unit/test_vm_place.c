/* SPDX-License-Identifier: Apache-2.0 */
/* Removing the folder of a VM, with and without memory. */
#include "base/cleanup.h"
#include "tests/unit/check.h"
#include "tests/unit/open_descriptors.h"
#include "tests/unit/short_memory.h"
#include "vm/place.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct place place = {.path = "/tmp/pe-test-place-XXXXXX"};
static const struct vmname name = {.text = "vm"};

static void make_folder(const char *path)
{
    char whole[PLACE_FILE_MAX];
    place_file(&place, &name, path, whole);
    assert_int_equal(mkdir(whole, 0700), 0);
}

static bool exists(const char *path)
{
    char whole[PLACE_FILE_MAX];
    place_file(&place, &name, path, whole);
    return access(whole, F_OK) == 0;
}

static void a_folder_that_cannot_be_read_stays_and_nothing_stays_open(void **state)
{
    (void)state;
    struct pe_error err = {0};
    make_folder("");
    make_folder("vmm");
    size_t before = count_descriptors();
    is_memory_short = true;
    int failed = place_remove(&place, &name, &err);
    is_memory_short = false;
    assert_int_equal(failed, -1);
    assert_error(err, PE_ERR_INTERNAL, "cannot remove the folder of the VM vm");
    assert_int_equal(count_descriptors(), before);
    assert_true(exists("vmm"));
    assert_int_equal(place_remove(&place, &name, &err), 0);
}

static void what_a_link_in_the_folder_points_to_stays(void **state)
{
    (void)state;
    struct pe_error err = {0};
    char link[PLACE_FILE_MAX], kept[PLACE_FILE_MAX];
    make_folder("");
    make_folder("vmm");
    make_folder("vmm/deeper");
    place_file(&place, &(struct vmname){.text = "kept"}, "", kept);
    place_file(&place, &name, "vmm/deeper/link", link);
    assert_int_equal(mkdir(kept, 0700), 0);
    assert_int_equal(symlink(kept, link), 0);
    size_t before = count_descriptors();
    assert_int_equal(place_remove(&place, &name, &err), 0);
    assert_int_equal(count_descriptors(), before);
    assert_false(exists(""));
    assert_int_equal(rmdir(kept), 0);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(place.path) ? 0 : -1;
}

/* Fails if something is left. */
static int tear_down(void **state)
{
    (void)state;
    return rmdir(place.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_that_cannot_be_read_stays_and_nothing_stays_open),
        cmocka_unit_test(what_a_link_in_the_folder_points_to_stays),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
