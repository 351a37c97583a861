/* SPDX-License-Identifier: Apache-2.0 */
/* The empty root directory of VMMs. The one with mounts needs rights that a unit test may not have:
 * tests/vmm/test_jail.py. */
#include "base/cleanup.h"
#include "tests/unit/check.h"
#include "worker/vmm/jail_root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/pe-test-jail-root-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(base) ? 0 : -1;
}

/* Fails if something is left in the folder. */
static int tear_down(void **state)
{
    (void)state;
    return rmdir(base);
}

static void nothing_can_be_created_in_an_empty_root(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoclose int root = jail_root_make_empty(base, &err);
    assert_true(root >= 0);
    assert_int_equal(openat(root, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600), -1);
    assert_int_equal(errno, ENOENT);
}

static void an_empty_root_that_cannot_be_opened_leaves_no_folder(void **state)
{
    (void)state;
    struct pe_error err;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int root = jail_root_make_empty(base, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(root, -1);
    assert_error(err, PE_ERR_INTERNAL, "Too many open files");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_can_be_created_in_an_empty_root),
        cmocka_unit_test(an_empty_root_that_cannot_be_opened_leaves_no_folder),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
